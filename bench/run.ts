/** `npm run bench`: measures Meridian beside other servers, each alone on one core, and prints a table. */

import { parseArgs } from "node:util";
import { agentTable } from "./agent.ts";
import { apiTable } from "./api.ts";
import { leaveServerCore } from "./cores.ts";
import { writeSection } from "./document.ts";
import { geoTable } from "./geo.ts";
import { latencyTable } from "./latency.ts";
import { describeMachine } from "./machine.ts";
import { namesTable } from "./names.ts";
import { isInstalled, PEERS, type Peer } from "./peers.ts";
import { scale } from "./scale.ts";
import { measureInTurns } from "./stand.ts";
import { streamsTable } from "./streams.ts";
import {
  disturbanceOf,
  faultOf,
  type Limit,
  runsOf,
  slownessOf,
  type Turn,
  tableOf,
  verdictsOn,
} from "./table.ts";

const ECHO = "C echo";
const GEO = "Meridian geo";
const GDNSD = "gdnsd geoip";

/** What an answer by continent, with ECS, and a static one may cost; by XDP where its rows are measured. */
const LIMITS: readonly Limit[] = [
  { of: GEO, to: ECHO, atMost: 1.08 },
  { of: GEO, to: GDNSD, atMost: 1.03 },
  { of: "Meridian geo, cookies", to: "gdnsd geoip, cookies", atMost: 1.08 },
  { of: GEO, to: "Knot DNS geoip", atMost: 0.9 },
  { of: GEO, to: "PowerDNS LUA, shared", atMost: 0.25 },
  { of: "Meridian geo, signed", to: "Knot DNS geoip, signed", atMost: 0.9 },
  { of: "Meridian static", to: "NSD static", atMost: 1 },
];
/** Over a link. */
const XDP_LIMITS: readonly Limit[] = LIMITS.map((limit) => ({ ...limit, of: `${limit.of}, XDP` }));

/** Servers that are no peers of XDP: what they show is in the other table. */
const LOOPBACK_ONLY = /node:dgram|weighted|nested|workers|default|dns2/;

/** How long a server is loaded before it is measured. V8 had compiled the last of what answers run through after five seconds. */
const WARM_UP_SECONDS = 8;
const WARM_UP_SECONDS_SMOKE = 2;
/** How long a server is measured at a time, at full load and at half of it. */
const TURN_SECONDS = 0.5;

/** A larger share of lost queries is an error. */
const LOST_SHARE_MAX = 0.001;
/** A smoke asks only whether they answer. */
const LOST_SHARE_MAX_SMOKE = 0.5;

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    turns: { type: "string", default: "4" },
    only: { type: "string", default: "" },
    smoke: { type: "boolean", default: false },
    scale: { type: "boolean", default: false },
    names: { type: "boolean", default: false },
    streams: { type: "boolean", default: false },
    agent: { type: "boolean", default: false },
    geo: { type: "boolean", default: false },
    latency: { type: "boolean", default: false },
    api: { type: "boolean", default: false },
    xdp: { type: "boolean", default: false },
    write: { type: "string" },
  },
});

leaveServerCore();
const faults = await chosen();
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;

/** What was asked for; returns what went wrong. */
function chosen(): Promise<readonly string[]> {
  const document = options.write ?? null;
  if (options.scale) return scale(document);
  if (options.names) return namesTable(document);
  if (options.streams) return streamsTable(document);
  if (options.agent) return agentTable(document);
  if (options.geo) return geoTable(document);
  if (options.latency) return latencyTable(document);
  if (options.api) return apiTable(document);
  return compare();
}

/** Measures every server at full load and at half of it, in turns of a second; returns what went wrong. */
async function compare(): Promise<readonly string[]> {
  const peers = chosenPeers();
  const schedule = {
    rounds: options.smoke ? 1 : Number(options.rounds),
    turns: options.smoke ? 1 : Number(options.turns),
    warmUpSeconds: options.smoke ? WARM_UP_SECONDS_SMOKE : WARM_UP_SECONDS,
    linked: options.xdp,
  };
  return report(peers, await measureInTurns(peers, schedule, (one) => one.run(TURN_SECONDS)));
}

/** Those that were asked for and are installed; the others are named. */
function chosenPeers(): readonly Peer[] {
  const only = new RegExp(options.only, "i");
  const wanted = PEERS.filter(
    ({ name, needs, xdp = false }) =>
      only.test(name) &&
      (options.xdp ? !LOOPBACK_ONLY.test(name) : !xdp) &&
      (!options.smoke || needs !== null || name === ECHO || name === GEO),
  );
  for (const { name, needs } of wanted.filter((peer) => !isInstalled(peer))) {
    console.error(`skipped ${name}: expected Debian packages ${needs?.packages.join(" and ")}`);
  }
  return wanted.filter(isInstalled);
}

/** Prints the table, writes it where it was asked for, and returns what is wrong. */
function report(peers: readonly Peer[], turns: readonly Turn[]): readonly string[] {
  const table = tableOf(
    turns,
    peers.map(({ name }) => name),
    ECHO,
  );
  // One turn says nothing about limits.
  const said = options.smoke
    ? []
    : [
        ...verdictsOn(turns, options.xdp ? XDP_LIMITS : LIMITS),
        ...slownessOf(turns, options.xdp ? `${GEO}, XDP` : GEO, GDNSD),
      ];
  const stolen = turns.flatMap((turn) => Array.from(turn.values(), (figures) => figures.stolen));
  const verdicts = [...said, disturbanceOf(stolen)].map((line) => `* ${line}`);
  const text = [describeMachine(peers, new Date()), table, verdicts.join("\n")].join("\n\n");
  console.log(text);
  if (options.write !== undefined) writeSection(options.write, options.xdp ? "xdp" : "servers", text);
  return peers.flatMap(({ name }) => {
    const lostShareMax = options.smoke ? LOST_SHARE_MAX_SMOKE : LOST_SHARE_MAX;
    return faultOf(name, runsOf(turns, name), lostShareMax) ?? [];
  });
}
