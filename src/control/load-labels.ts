/** Reads an operator's own names for prefixes. */

import type { Config } from "../config/config.ts";
import { type LabelledPrefix, parseLabels } from "../geo/labels.ts";
import type { Checked } from "../problem.ts";
import { unreadable } from "./files.ts";

/** `read` gives the text of a file; null: it cannot be read. */
export function loadLabels(
  config: Config,
  read: (path: string) => string | null,
): Checked<readonly LabelledPrefix[]> {
  const checked = config.geo.labels.map((file) => {
    const text = read(file);
    return text === null ? { value: null, problems: [unreadable(file)] } : parseLabels(file, text);
  });
  return {
    value: checked.flatMap((labels) => labels.value ?? []),
    problems: checked.flatMap((labels) => labels.problems),
  };
}
