/** `meridian capacity`: what each region's death would put on the others. */

import type { PoolCapacity } from "../control/capacity.ts";
import { type ApiOptions, getListFromApi } from "./api-call.ts";
import { percent, print, printTable } from "./console.ts";

/** Prints a line for each pool and region, and for each region that would be left. */
export async function capacity(options: ApiOptions & { readonly json?: boolean }): Promise<void> {
  const pools = (await getListFromApi("/v1/capacity", "pools", options)) as readonly PoolCapacity[] | null;
  if (pools === null) return;
  if (options.json === true) return print(JSON.stringify(pools, null, 2));
  printTable(
    ["pool", "region", "capacity", "now", "if it died, the others", "each of them", "weighed by"],
    pools.flatMap(({ pool, regions }) =>
      regions.map(({ region, capacity, load, weighedBy, others, othersLoad }) => [
        pool,
        region,
        String(capacity),
        percent(load),
        others.length === 0 ? "there are none" : percent(othersLoad),
        others.map((other) => `${other.region} ${percent(other.load)}`).join(", "),
        weighedBy,
      ]),
    ),
  );
}
