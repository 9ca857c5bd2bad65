/** `meridian history`: what has changed on a node, when and why. */

import type { HistoryLine } from "../control/api/history.ts";
import { type ApiOptions, getListFromApi } from "./api-call.ts";
import { print, printTable } from "./console.ts";

/** Prints a line for each change, the newest first; `vip` keeps those of one VIP. */
export async function history(
  options: ApiOptions & { readonly vip?: string; readonly since: string; readonly json?: boolean },
): Promise<void> {
  const { vip, since } = options;
  const query = { since, ...(vip === undefined ? {} : { vip }) };
  const lines = (await getListFromApi("/v1/history", "entries", options, query)) as
    | readonly HistoryLine[]
    | null;
  if (lines === null) return;
  if (options.json === true) print(JSON.stringify(lines, null, 2));
  else
    printTable(
      ["at", "what", "of", "was from then on"],
      lines.map(({ at, kind, subject, detail }) => [at, kind, subject, detail]),
    );
}
