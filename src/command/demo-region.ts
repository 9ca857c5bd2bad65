/** `meridian demo-region`: one of the demo's regions in a process of its own, so that it can be killed. */

import { endpointsOf, runRegion } from "../demo/regions.ts";
import { newLog } from "../telemetry/log.ts";
import { complain } from "./console.ts";
import { readConfig } from "./node.ts";
import { untilStopped } from "./stop.ts";

/** Serves a region until it is told to stop. */
export async function demoRegion(region: string, options: { readonly config: string }): Promise<void> {
  const config = readConfig(options.config);
  if (config === null) return;
  const listen = endpointsOf(config, region);
  if (listen.length === 0)
    return complain(
      `No region ${region} with VIPs to serve; there are ${[...config.regions.keys()].join(", ")}`,
    );
  const { stateFolder } = config.node;
  const running = await runRegion({ region, listen, stateFolder, log: newLog(`region ${region}`) });
  await untilStopped();
  await running.stop();
}
