/** `meridian rtt`: in which order a node has the regions for its clients, and what that rests on. */

import type { RttRanking } from "../control/api/rtt.ts";
import { type ApiOptions, getListFromApi } from "./api-call.ts";
import { print, printTable } from "./console.ts";

/** Prints a line for each cell and region, best first; `cell` keeps those whose text begins so, as in `GB`. */
export async function rtt(
  options: ApiOptions & { readonly cell?: string; readonly json?: boolean },
): Promise<void> {
  const listed = (await getListFromApi("/v1/rtt", "rankings", options)) as readonly RttRanking[] | null;
  if (listed === null) return;
  const rankings = listed.filter(({ cell }) => cell.startsWith(options.cell ?? ""));
  if (options.json === true) return print(JSON.stringify(rankings, null, 2));
  printTable(
    ["cell", "region", "rtt", "behind", "source", "samples", "last"],
    rankings.flatMap(({ cell, regions }) =>
      regions.map(({ region, rttMs, source, samples, measuredAt }, i) => [
        i === 0 ? cell : "",
        region,
        milliseconds(rttMs),
        i === 0 ? "" : milliseconds(rttMs - (regions[0]?.rttMs ?? 0)),
        source,
        samples === null ? "" : String(samples),
        measuredAt ?? "",
      ]),
    ),
  );
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(1)} ms`;
}
