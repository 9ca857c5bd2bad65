/** Puts figures into a document, between the marks that show where they go. */

import { readFileSync, writeFileSync } from "node:fs";

/** Replaces a section of a Markdown file; throws when it has no such section. */
export function writeSection(file: string, section: string, content: string): void {
  writeFileSync(file, withSection(readFileSync(file, "utf8"), section, content, file));
}

/** `text` with what stands between `<!-- begin SECTION -->` and `<!-- end SECTION -->` replaced. */
export function withSection(text: string, section: string, content: string, file: string): string {
  const [begin, end] = [`<!-- begin ${section} -->`, `<!-- end ${section} -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) {
    throw new Error(`Cannot write section ${section} of ${file}: expected lines "${begin}" and "${end}"`);
  }
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}
