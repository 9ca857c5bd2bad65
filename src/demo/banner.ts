/** What the demo prints when everything runs: what there is, and what to try. */

import type { Config } from "../config/config.ts";
import { pidFileOf } from "./regions.ts";

/** Client prefixes that the built-in database places in Europe, Asia and America. */
const CLIENTS = ["81.2.69.0/24", "133.11.0.0/16", "8.8.8.0/24"] as const;

/** Lines for the terminal. `adminToken` null: it was made, and shown, at an earlier start. */
export function banner(
  config: Config,
  folder: string,
  api: string,
  adminToken: string | null,
): readonly string[] {
  const { listen, stateFolder } = config.node;
  const [first] = listen;
  const name = config.services[0]?.label ?? "";
  const dig = `dig @${first?.address.text} -p ${first?.port} ${name}`;
  const regions: readonly string[] = [...config.regions.keys()];
  const victim = regions.includes(EUROPE) ? EUROPE : (regions[0] ?? "");
  const meridian = "npm run -s meridian --";
  const inFolder = folder === process.cwd() ? "" : ` --config ${folder}`;
  const atApi = api === DEFAULT_API ? "" : ` --api ${api}`;
  return [
    "",
    "Meridian runs.",
    `  DNS      ${listen.map(({ address, port }) => `${address.text} port ${port}`).join(", ")} (UDP and TCP)`,
    `  API      ${api} (reference: ${api}/docs)`,
    `  regions  ${regions.join(", ")}`,
    `  agents   ${[...config.vantages.keys()].join(", ")}`,
    `  state    ${stateFolder}`,
    "",
    adminToken === null
      ? `The admin token was shown at the first start. Another: ${meridian} token add NAME${inFolder}`
      : "The admin token, shown this once (only its hash is kept):",
    `  export MERIDIAN_TOKEN=${adminToken ?? "..."}`,
    "",
    "Ask as a client in Europe, in Japan, in America:",
    ...CLIENTS.map((client) => `  ${dig} +subnet=${client}`),
    "Kill a region, watch the answers move, start it again:",
    `  kill -9 $(cat ${pidFileOf(stateFolder, victim)})`,
    `  ${meridian} demo-region ${victim}${inFolder}`,
    "Shift weights (canary.gslb.example), drain a region for ten minutes, list what is overridden:",
    `  ${meridian} weight canary/new 80 --choice --reason "new version looks good"${atApi}`,
    `  ${meridian} drain ${victim} --for 10m --reason maintenance${atApi}`,
    `  ${meridian} get overrides${atApi}`,
    "Ask why:",
    `  ${meridian} explain ${name} --client 81.2.69.1${atApi}`,
    "Rehearse a failure, and see what clients saw of it:",
    `  ${meridian} drill run --mode dead --target region:${regions[0]} --duration 30s --reason "a first drill"${atApi}`,
    "Stop with Ctrl-C.",
    "",
  ];
}

const EUROPE = "eu-west";

/** Where `meridian explain` asks unless told otherwise. */
const DEFAULT_API = "http://127.0.0.1:8053";
