/** The file with the secrets of DNS Cookies. */

import type { Checked, Problem } from "../problem.ts";

/** Octets of a secret (RFC 9018 §4.4). */
const secretLength = 16;

/** What cookies are made and checked with. */
export interface CookieSecrets {
  /** Makes cookies, and checks them. */
  readonly current: Uint8Array;
  /** Only checks: the one before, or the one to come (RFC 9018 §5); null: there is none. */
  readonly other: Uint8Array | null;
}

/** Reads one secret a line, 32 hexadecimal digits; empty lines, and those that begin with `#`, say nothing. */
export function parseCookieSecrets(file: string, text: string): Checked<CookieSecrets> {
  const problems: Problem[] = [];
  const secrets: Uint8Array[] = [];
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    const word = line.trim();
    if (word === "" || word.startsWith("#")) continue;
    const place = { file, line: i + 1, column: line.indexOf(word) + 1 };
    // The text itself may be most of a secret, so it is not repeated.
    if (!/^[0-9a-f]{32}$/i.test(word)) {
      problems.push({ ...place, message: "expected a secret: 32 hexadecimal digits" });
    } else if (secrets.length === 2) {
      problems.push({
        ...place,
        message: "expected no more than two secrets: one that is used, and another",
      });
    } else {
      secrets.push(Uint8Array.from(Buffer.from(word, "hex")));
    }
  }
  const [current, other = null] = secrets;
  if (current === undefined && problems.length === 0) {
    problems.push({
      file,
      line: lines.length,
      column: 1,
      message: "expected a secret: 32 hexadecimal digits",
    });
  }
  return { value: current === undefined || problems.length > 0 ? null : { current, other }, problems };
}

/** The text that `parseCookieSecrets` reads. */
export function formatCookieSecrets({ current, other }: CookieSecrets): string {
  const lines = [current, ...(other === null ? [] : [other])].map((secret) =>
    Buffer.from(secret.subarray(0, secretLength)).toString("hex"),
  );
  return `${lines.join("\n")}\n`;
}
