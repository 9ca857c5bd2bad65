/** Parses the operator's prefix lists: CSV files of `prefix,label`. */

import type { Checked, Problem } from "../problem.ts";
import { formatAddress, type Prefix, parseIpv4, parseIpv6, parsePrefix } from "../wire/address.ts";

/** A prefix and what the operator calls its clients. */
export interface LabelledPrefix {
  readonly prefix: Prefix;
  readonly label: string;
}

/** A word that needs no quotes in YAML. */
const LABEL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** One field, plain or in quotes, then the comma or the line's end; a `#` starts a comment. */
const FIELD = /[ \t]*(?:"([^"]*)"|([^",#]*))[ \t]*(,|(?:#.*)?$)/y;

/**
 * One `prefix,label` a line; empty lines and comments from `#` on are passed over, either field may be in double
 * quotes. The value is null as soon as there is one problem: half a list would label half the clients.
 */
export function parseLabels(file: string, text: string): Checked<readonly LabelledPrefix[]> {
  const problems: Problem[] = [];
  const labels = new Map<string, LabelledPrefix & { readonly line: number }>();
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);

  for (const [i, content] of lines.entries()) {
    const line = i + 1;
    const report = (column: number, message: string): void => {
      problems.push({ file, line, column, message });
    };
    const labelled = parseLine(content, report);
    if (labelled === null) continue;
    const earlier = labels.get(labelled.prefix.text);
    if (earlier !== undefined && earlier.label !== labelled.label) {
      report(
        1,
        `${labelled.prefix.text} is already labelled "${earlier.label}" in line ${earlier.line}: expected one label`,
      );
    } else if (earlier === undefined) {
      labels.set(labelled.prefix.text, { ...labelled, line });
    }
  }
  const value = [...labels.values()].map(({ prefix, label }) => ({ prefix, label }));
  return { value: problems.length === 0 ? value : null, problems };
}

type Report = (column: number, message: string) => void;

/** Null for an empty line, and for one with a problem. */
function parseLine(content: string, report: Report): LabelledPrefix | null {
  if (/^\s*(#.*)?$/.test(content)) return null;
  const fields = splitFields(content);
  const [first, second] = fields ?? [];
  if (first === undefined || second === undefined || fields?.length !== 2) {
    report(1, `Cannot parse "${content.trim()}": expected prefix,label`);
    return null;
  }
  const prefix = parsePrefix(first.text);
  if (prefix === null) report(first.column, explainPrefix(first.text));
  const isLabel = LABEL.test(second.text);
  if (!isLabel) {
    report(
      second.column,
      `Cannot parse label "${second.text}": expected 1 to 63 letters, digits, ".", "_" or "-", starting with a letter or digit`,
    );
  }
  return prefix === null || !isLabel ? null : { prefix, label: second.text };
}

interface Field {
  readonly text: string;
  readonly column: number;
}

/** The fields of a line; null where quotes do not match. */
function splitFields(content: string): readonly Field[] | null {
  const fields: Field[] = [];
  FIELD.lastIndex = 0;
  for (;;) {
    const start = FIELD.lastIndex;
    const match = FIELD.exec(content);
    if (match === null) return null;
    const [, quoted, plain = "", separator] = match;
    const indent = content.slice(start).search(/[^ \t]|$/);
    fields.push({ text: quoted ?? plain.trim(), column: start + indent + 1 });
    if (separator !== ",") return fields;
  }
}

/** Says what is wrong with a text that is not a prefix. */
function explainPrefix(text: string): string {
  const [, addressText = "", lengthText] = /^([^/]*)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const bytes = parseIpv4(addressText) ?? parseIpv6(addressText);
  const length = Number(lengthText);
  if (bytes === null || !(length <= 8 * bytes.length)) {
    return `Cannot parse prefix "${text}": expected an address and a length, as in 198.51.100.0/24 or 2001:db8::/32`;
  }
  const network = bytes.map((octet, i) => octet & ~(0xff >> Math.min(8, Math.max(0, length - 8 * i))));
  return `Prefix "${text}" has bits set behind its length: expected ${formatAddress(network)}/${length}`;
}
