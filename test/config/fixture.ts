/** What the tests of the config parser share. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../src/config/config.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { type Checked, formatProblem } from "../../src/problem.ts";

export const root: string = join(import.meta.dirname, "../..");
export const maximal: string = readFileSync(join(import.meta.dirname, "maximal.yaml"), "utf8");

/** A region, a pool `web` with the member `us`, and nothing else. */
export const small = `
regions: { us: { at: [38.9, -77.4] } }
pools: { web: { members: { us: { ipv4: 192.0.2.1 } } } }
`;

export function parse(text: string): Checked<Config> {
  const countries = new Set(["GB", "GR", "NO", "RU", "US"]);
  return parseConfig("m.yaml", text, "/etc/meridian", { nodeName: "host-1", cores: 8, countries });
}

/** The config of a text that has no problem. */
export function configOf(text: string): Config {
  const { value, problems } = parse(text);
  if (value === null) throw new Error(problems.map(formatProblem).join("\n"));
  return value;
}

/** Each problem as `line:column: message`. */
export function problemsOf(text: string): readonly string[] {
  return parse(text).problems.map((problem) => formatProblem(problem).replace("m.yaml:", ""));
}
