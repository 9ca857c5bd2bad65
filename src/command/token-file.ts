/** The token that a command shows, from a file. */

import { readFileSync } from "node:fs";
import { complain } from "./console.ts";

/** The token in a file, without the white space around it; null, and a complaint, when there is none. */
export function readToken(file: string): string | null {
  try {
    const token = readFileSync(file, "utf8").trim();
    if (token !== "") return token;
    complain(`Cannot use token file ${file}: it is empty`);
  } catch (cause) {
    complain(`Cannot read token file ${file}: ${String(cause)}`);
  }
  return null;
}
