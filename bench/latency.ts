/** `npm run bench -- --latency`: the slowest answers at half load, at rest and while 100,000 names are read again and again. */

import { writeSection } from "./document.ts";
import { addressOf, INTERFACE } from "./link.ts";
import type { LoadResult } from "./load.ts";
import { describeMachine } from "./machine.ts";
import type { Measured } from "./measure.ts";
import { CLI } from "./meridian.ts";
import { gdnsd, gdnsdAddName, isInstalled, PEERS, type Peer } from "./peers.ts";
import { ADDRESSES, addName, STEERED_NAMES, writeScale } from "./scale-config.ts";
import { measureInTurns, type Schedule } from "./stand.ts";
import { disturbanceOf, faultOf, markdownOf, median, runsOf, slownessOf, thousands } from "./table.ts";
import { labelsOf, qnamesOf, VIPS } from "./zone.ts";

const SCHEDULE: Schedule = { rounds: 2, turns: 4, warmUpSeconds: 8, linked: true };
const REST_SECONDS = 2;
/** Of those to which names are added: so many a turn, one so long after the other. */
const ADDS = 2;
const ADD_EVERY_MS = 5_000;

const LABELS = labelsOf(STEERED_NAMES.length);
const MANY = `${STEERED_NAMES.length.toLocaleString("en")} names, one more every ${ADD_EVERY_MS / 1e3} s`;

/** A large fleet's configuration: every name that is added makes a new book of it. */
const MERIDIAN_MANY: readonly Peer[] = [false, true].map((xdp) => ({
  name: `Meridian${xdp ? ", XDP" : ""}: ${MANY}`,
  ecs: true,
  xdp,
  names: STEERED_NAMES,
  answers: ADDRESSES,
  needs: null,
  command: ({ folder, port, link }) => {
    const lines = [`listen: ["${addressOf(link)}:${port}"]`, `api: { listen: "127.0.0.1:0" }`];
    writeScale(folder, [...lines, ...(xdp ? [`xdp: [${INTERFACE}]`] : [])]);
    return [process.execPath, CLI, "serve", "--config", folder];
  },
  addName: async ({ folder }, label) => addName(folder, label),
}));

/** As many names in one zone, all steered by one resource. */
const GDNSD_MANY: Peer = {
  name: `gdnsd: ${MANY}`,
  ecs: true,
  names: qnamesOf(LABELS),
  answers: Object.values(VIPS),
  needs: { program: "gdnsd", packages: ["gdnsd"] },
  command: (place) => gdnsd({ ...place, labels: LABELS }),
  addName: (place, label) => gdnsdAddName({ ...place, labels: LABELS }, label),
};

const AT_REST = /^(C echo|Meridian geo|Meridian geo, XDP|gdnsd geoip)$/;
const SERVERS: readonly Peer[] = [
  ...PEERS.filter(({ name }) => AT_REST.test(name)),
  ...MERIDIAN_MANY,
  GDNSD_MANY,
];

/** Who is not to be slower than whom. */
const PAIRS: readonly (readonly [of: string, than: string])[] = [
  ["Meridian geo", "gdnsd geoip"],
  ["Meridian geo, XDP", "gdnsd geoip"],
  ...MERIDIAN_MANY.flatMap(({ name }) => [[name, GDNSD_MANY.name] as const, [name, "gdnsd geoip"] as const]),
];

type Run = LoadResult & { readonly stolen: number };
type Turn = ReadonlyMap<string, Run>;

/** Measures, prints, writes into `document` if one is given, and returns what went wrong. */
export async function latencyTable(document: string | null): Promise<readonly string[]> {
  const peers = SERVERS.filter(isInstalled);
  const turns = await measureInTurns(peers, SCHEDULE, runOf);
  const stolen = turns.flatMap((turn) => Array.from(turn.values(), (run) => run.stolen));
  const verdicts = PAIRS.flatMap(([of, than]) => slownessOf(turns, of, than));
  const said = [...new Set(verdicts), disturbanceOf(stolen)].map((line) => `* ${line}`).join("\n");
  const text = [describeMachine(peers, new Date()), tableOf(turns, peers), said].join("\n\n");
  console.log(text);
  if (document !== null) writeSection(document, "latency", text);
  return peers.flatMap(({ name }) => faultOf(name, runsOf(turns, name), 0) ?? []);
}

async function runOf(one: Measured): Promise<Run> {
  const { result, stolen } = await (one.peer.addName === undefined
    ? one.halfFor(REST_SECONDS)
    : one.halfWhileNamesAreAdded(ADDS, ADD_EVERY_MS));
  return { ...result, stolen };
}

function tableOf(turns: readonly Turn[], peers: readonly Peer[]): string {
  const rows = peers.map(({ name }) => {
    const runs = runsOf(turns, name);
    const middle = (of: (run: Run) => number): string => thousands(median(runs.map(of)));
    const sum = (of: (run: Run) => number): number => runs.reduce((all, run) => all + of(run), 0);
    const p999s = runs.map(({ p999us }) => p999us);
    return [
      name,
      middle(({ qps }) => qps),
      middle(({ p50us }) => p50us),
      middle(({ p99us }) => p99us),
      middle(({ p999us }) => p999us),
      `${thousands(Math.min(...p999s))} to ${thousands(Math.max(...p999s))}`,
      middle(({ maxus }) => maxus),
      String(sum(({ lost }) => lost)),
      String(sum(({ wrong }) => wrong)),
    ];
  });
  return markdownOf(HEAD, rows, [0]);
}

const HEAD = [
  "server",
  "answers/s",
  "p50 µs",
  "p99 µs",
  "p99.9 µs",
  "from, to",
  "slowest µs",
  "lost",
  "wrong",
];
