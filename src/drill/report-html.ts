/** A report as one HTML page that needs nothing else: no script, no font, no image, no network. */

import { escapeMarkup } from "./markup.ts";
import type { DrillReport } from "./report.ts";
import { sectionsOf, type Table, titleOf } from "./report-sections.ts";
import { timeline } from "./timeline.ts";

/** What the page is allowed to look like, by its hash. Colours are the system's, so that the page is dark where the reader's system is. */
export const REPORT_STYLE: string = `
:root { color-scheme: light dark; --before: #a8423f; --after: #1b6e3c; --line: #8a8a8a; }
@media (prefers-color-scheme: dark) { :root { --before: #e57f78; --after: #6fd08c; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1, h2 { line-height: 1.2; }
figure { margin: 0; }
.lane { margin-bottom: .25rem; }
.lane span { font-size: .875rem; }
.lane svg { display: block; }
@media (min-width: 48rem) {
  .lane { display: grid; grid-template-columns: 2fr 5fr; gap: 1rem; align-items: center; }
}
/* A table that is wider than the page has a shadow where it goes on. */
.scroll {
  overflow-x: auto;
  background:
    linear-gradient(to left, Canvas 40%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--line), transparent) right / 1rem 100% no-repeat scroll;
}
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th:first-child, td:first-child { padding-left: 0; }
.figure { text-align: right; white-space: nowrap; }
.before { fill: var(--before); }
.after { fill: var(--after); }
.none { fill: none; stroke: var(--line); }
line { stroke: currentColor; stroke-dasharray: 3 3; }
svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
.tick { text-anchor: middle; }
@media print { body { max-width: none; } }
`;

export function htmlReport(report: DrillReport): string {
  const title = escapeMarkup(titleOf(report));
  const [verdict = "", ...rest] = sectionsOf(report).map(
    ({ title: heading, sentences, table }) =>
      `<section>\n<h2>${escapeMarkup(heading)}</h2>\n${paragraphs(sentences)}${table === null ? "" : formatTable(table, heading)}</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${verdict}
<section>
<h2>Timeline</h2>
${timeline(report)}
</section>
${rest.join("\n")}
</main>
</body>
</html>
`;
}

function paragraphs(sentences: readonly string[]): string {
  return sentences.map((sentence) => `<p>${escapeMarkup(sentence)}</p>\n`).join("");
}

function formatTable({ columns, rows }: Table, heading: string): string {
  const kind = (i: number): string => (columns[i]?.isFigure === true ? ' class="figure"' : "");
  const head = columns.map(({ title }, i) => `<th scope="col"${kind(i)}>${escapeMarkup(title)}</th>`);
  const body = rows.map(
    (cells) => `<tr>${cells.map((cell, i) => `<td${kind(i)}>${escapeMarkup(cell)}</td>`).join("")}</tr>`,
  );
  const region = `<div class="scroll" role="region" aria-label="${escapeMarkup(heading)}" tabindex="0">`;
  return `${region}\n<table>\n<thead><tr>${head.join("")}</tr></thead>\n<tbody>\n${body.join("\n")}\n</tbody>\n</table>\n</div>\n`;
}
