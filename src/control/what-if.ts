/** "What if": facts as operators write them, such as `down:eu-west`, for one explanation and nothing else. */

import type { Config } from "../config/config.ts";
import { weightRange } from "../config/parse-pool.ts";
import { vipsOf } from "../health/tracked.ts";
import type { Supposition } from "../steering/suppose.ts";
import { didYouMean } from "../suggest.ts";
import { lookup } from "./lookup.ts";
import { candidates, findTarget, membersOf, type Target } from "./override.ts";

/** What `parseWhatIf` takes, for people. */
export const aWhatIf =
  "down:TARGET, up:TARGET, down:TARGET@VANTAGE, up:TARGET@VANTAGE, drain:TARGET, undrain:TARGET, weight:TARGET=NUMBER or rtt:REGION=MS, such as down:eu-west";

/** A round trip longer than a minute is none. */
const RTT_MS_MAX = 60_000;

/** The facts that are supposed, or what is wrong with the texts, all of it. */
export function parseWhatIf(
  texts: readonly string[],
  config: Config,
): { readonly value: readonly Supposition[]; readonly problems: readonly string[] } {
  const value: Supposition[] = [];
  const problems: string[] = [];
  for (const text of texts) {
    const parsed = parseOne(text, config);
    if (typeof parsed === "string") problems.push(`if "${text}": ${parsed}`);
    else value.push(...parsed);
  }
  return { value, problems };
}

/** A string says what is wrong. */
function parseOne(text: string, config: Config): readonly Supposition[] | string {
  const colon = text.indexOf(":");
  const rest = text.slice(colon + 1);
  switch (text.slice(0, Math.max(0, colon))) {
    case "down":
      return supposeVerdicts(rest, false, config);
    case "up":
      return supposeVerdicts(rest, true, config);
    case "drain":
      return supposeDrains(rest, true, config);
    case "undrain":
      return supposeDrains(rest, false, config);
    case "weight":
      return supposeWeights(rest, config);
    case "rtt":
      return supposeRtt(rest, config);
    default:
      return `expected ${aWhatIf}`;
  }
}

/** `TARGET`, or `TARGET@VANTAGE`: no name has an "@" in it. */
function supposeVerdicts(text: string, up: boolean, config: Config): readonly Supposition[] | string {
  const [id = "", from] = text.split("@");
  const vantage = from === undefined ? null : lookup(config.vantages, from);
  if (from !== undefined && vantage === null)
    return `no vantage "${from}" in ${config.file}${didYouMean(from, config.vantages.keys())}`;
  const target = findTarget(config, ["region", "member", "vip"], id);
  if (target === null) return unknown(id, ["region", "member", "vip"], config);
  return membersOf(config, target)
    .flatMap(vipsOf)
    .filter(({ id: vip }) => target.by !== "vip" || vip === target.id)
    .map(({ id: vip }) =>
      vantage === null ? { kind: "verdict", vip, up } : { kind: "vote", vip, vantage: vantage.id, up },
    );
}

function supposeDrains(id: string, drained: boolean, config: Config): readonly Supposition[] | string {
  const target = findTarget(config, ["region", "member"], id);
  if (target === null) return unknown(id, ["region", "member"], config);
  return membersOf(config, target).map(({ id: member }) => ({ kind: "drained", member, drained }));
}

function supposeWeights(text: string, config: Config): readonly Supposition[] | string {
  const { name, number: weight } = assignment(text);
  const { least, most } = weightRange;
  if (!(weight >= least && weight <= most)) return `expected weight:TARGET=NUMBER, ${least} to ${most}`;
  const target = findTarget(config, ["region", "member", "choice"], name);
  if (target === null) return unknown(name, ["region", "member", "choice"], config);
  if (target.by === "choice") return [{ kind: "choice weight", choice: target.id, weight }];
  return membersOf(config, target).map(({ id: member }) => ({ kind: "member weight", member, weight }));
}

function supposeRtt(text: string, config: Config): readonly Supposition[] | string {
  const { name, number: rttMs } = assignment(text);
  if (!(rttMs >= 0 && rttMs <= RTT_MS_MAX)) return `expected rtt:REGION=MS, 0 to ${RTT_MS_MAX}`;
  const region = lookup(config.regions, name);
  return region === null ? unknown(name, ["region"], config) : [{ kind: "rtt", region: region.id, rttMs }];
}

/** `NAME=NUMBER`; names may have "=" in them. */
function assignment(text: string): { readonly name: string; readonly number: number } {
  const equals = text.lastIndexOf("=");
  const digits = text.slice(equals + 1);
  const number = equals > 0 && /^\d+(\.\d+)?$/.test(digits) ? Number(digits) : Number.NaN;
  return { name: text.slice(0, Math.max(0, equals)), number };
}

function unknown(id: string, bys: readonly Target["by"][], config: Config): string {
  const kinds = bys.map((by) => (by === "vip" ? "VIP" : by));
  const known = bys.flatMap((by) => candidates(config, by));
  return `no ${[kinds.slice(0, -1).join(", "), kinds.at(-1)].filter((part) => part !== "").join(" or ")} "${id}" in ${config.file}${didYouMean(id, known)}`;
}
