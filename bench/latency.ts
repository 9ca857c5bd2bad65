/** `npm run bench -- --latency`: the slowest answers at half load, at rest and while 100,000 names are read again and again. */

import { writeSection } from "./document.ts";
import { addressOf, INTERFACE } from "./link.ts";
import type { LoadResult } from "./load.ts";
import { describeMachine } from "./machine.ts";
import type { Measured } from "./measure.ts";
import { CLI } from "./meridian.ts";
import { gdnsd, gdnsdAddName, isInstalled, PEERS, type Peer } from "./peers.ts";
import { ADDRESSES, addName, STEERED_NAMES, writeScale } from "./scale-config.ts";
import { Stand } from "./stand.ts";
import { disturbanceOf, median } from "./table.ts";
import type { Undisturbed } from "./undisturbed.ts";
import { labelsOf, ZONE } from "./zone.ts";

const ROUNDS = 2;
const TURNS = 4;
const WARM_UP_SECONDS = 8;
const REST_SECONDS = 2;
/** Of those to which names are added: so many a turn, one so long after the other. */
const ADDS = 2;
const ADD_EVERY_MS = 5_000;
/** What the slowest one of a thousand answers may take. */
const P999_MS_MAX = 2;

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
  names: LABELS.map((label) => `${label}.${ZONE}`),
  answers: ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
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

type Run = Undisturbed<LoadResult>;

/** Measures, prints, writes into `document` if one is given, and returns what went wrong. */
export async function latencyTable(document: string | null): Promise<readonly string[]> {
  const peers = SERVERS.filter(isInstalled);
  const runs = new Map<string, Run[]>(peers.map(({ name }) => [name, []]));
  const stand = new Stand(true);
  try {
    for (let round = 1; round <= ROUNDS; round += 1) {
      console.error(`round ${round} of ${ROUNDS}`);
      try {
        const started: Measured[] = [];
        for (const peer of peers) started.push(await stand.start(peer, WARM_UP_SECONDS));
        for (let turn = 0; turn < TURNS; turn += 1) {
          for (const one of started) {
            const run =
              one.peer.addName === undefined
                ? one.halfFor(REST_SECONDS)
                : one.halfWhileNamesAreAdded(ADDS, ADD_EVERY_MS);
            runs.get(one.peer.name)?.push(await run);
          }
        }
      } finally {
        await stand.clear();
      }
    }
  } finally {
    stand.remove();
  }
  const stolen = [...runs.values()].flat().map((run) => run.stolen);
  const said = [...verdictsOn(runs), disturbanceOf(stolen)].map((line) => `* ${line}`).join("\n");
  const text = [describeMachine(peers, new Date()), tableOf(runs), said].join("\n\n");
  console.log(text);
  if (document !== null) writeSection(document, "latency", text);
  return [...runs].flatMap(([name, of]) => {
    const faults = sumOf(of, "wrong") + sumOf(of, "lost");
    return faults === 0 ? [] : [`${name}: ${faults} queries lost or answered wrongly`];
  });
}

function verdictsOn(runs: ReadonlyMap<string, readonly Run[]>): readonly string[] {
  const slowest = (name: string): number => medianOf(runs.get(name) ?? [], "p999us") / 1e3;
  const verdict = (of: string, ms: number, limit: string): string =>
    `${of}: p99.9 of ${slowest(of).toFixed(2)} ms, at most ${limit}: ${slowest(of) <= ms ? "kept" : "MISSED"}`;
  const own = [...new Set(PAIRS.map(([of]) => of))];
  return [
    ...own.map((of) => verdict(of, P999_MS_MAX, `${P999_MS_MAX} ms`)),
    ...PAIRS.filter(([, than]) => runs.has(than)).map(([of, than]) =>
      verdict(of, slowest(than), `that of ${than}, ${slowest(than).toFixed(2)} ms`),
    ),
  ];
}

function tableOf(runs: ReadonlyMap<string, readonly Run[]>): string {
  const rows = Array.from(runs, ([name, of]) => {
    const us = (["p50us", "p99us", "p999us", "maxus"] as const).map((what) => whole(medianOf(of, what)));
    const p999s = of.map(({ result }) => result.p999us);
    const range = `${whole(Math.min(...p999s))} to ${whole(Math.max(...p999s))}`;
    const [p50, p99, p999, most] = us;
    return [
      name,
      whole(medianOf(of, "qps")),
      p50,
      p99,
      p999,
      range,
      most,
      sumOf(of, "lost"),
      sumOf(of, "wrong"),
    ];
  });
  return [HEAD, HEAD.map((_, i) => (i === 0 ? "---" : "---:")), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
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

function medianOf(runs: readonly Run[], what: "qps" | "p50us" | "p99us" | "p999us" | "maxus"): number {
  return median(runs.map(({ result }) => result[what]));
}

function sumOf(runs: readonly Run[], what: "lost" | "wrong"): number {
  return runs.reduce((sum, { result }) => sum + result[what], 0);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en");
}
