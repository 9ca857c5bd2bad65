/** Reads files with secrets, which nobody but their owner may read. */

import { statSync } from "node:fs";
import type { FileReader } from "./files.ts";

/** Read and write, for others than the owner. */
const OTHERS = 0o077;

/** What stands in the file, without space around it; or what is wrong with the file. `what` should stand there. */
export function readSecretFile(
  file: string,
  what: string,
  reader: FileReader,
): { readonly secret: string } | { readonly message: string } {
  const text = reader.text(file);
  if (text === null) return { message: `cannot be read, expected ${what}` };
  const mode = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o777;
  if ((mode & OTHERS) !== 0)
    return { message: `has mode ${mode.toString(8)}, expected 600: a secret is for its owner alone` };
  return text.trim() === "" ? { message: `is empty, expected ${what}` } : { secret: text.trim() };
}
