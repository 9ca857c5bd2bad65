/** `npm run bench -- --scale`: a node with 100,000 steered names: its book, its memory, and what changes cost. */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { compileBook } from "../src/book/compile.ts";
import { FactKeeper } from "../src/control/fact-keeper.ts";
import { Planner } from "../src/control/planner.ts";
import { Loader } from "../src/control/snapshot.ts";
import { formatProblem } from "../src/problem.ts";
import { writeSection } from "./document.ts";
import { type Interval, type Load, type LoadResult, runLoad, startLoad, writeNames } from "./load.ts";
import { describeMachine } from "./machine.ts";
import { freePort } from "./ports.ts";
import { buildPrograms } from "./programs.ts";
import {
  ADDRESSES,
  FAILING,
  FAILING_VIP_IDS,
  SERVICES_TOUCHED,
  STEERED_NAMES,
  writeScale,
} from "./scale-config.ts";
import { ScaleNode } from "./scale-node.ts";
import { Server } from "./server.ts";
import { disturbanceOf, median } from "./table.ts";
import { undisturbed } from "./undisturbed.ts";

/** One figure, and what it may be; null: it is only told. */
interface Finding {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  readonly atMost: number | null;
}

/** The slowest one of a thousand answers, at half load, whatever control does meanwhile. */
const P999_MS_MAX = 10;
/** The same on an ordinary day, new books included. */
const ORDINARY_P999_MS_MAX = 2;

/** How often everything is done; figures are medians. */
const ROUNDS = 3;
const PEAK_SECONDS = 3;
/** Load before and after what is measured under it. */
const CALM_MS = 1_000;
const PHASE_SECONDS_MAX = 120;
/** Books are swapped one after the other, each so long after the one before. */
const SWAPS = 3;
const SWAP_EVERY_MS = 5_000;
/** Two processes start beside the answers, so an upgrade is for a quiet hour: half of full load would overflow the sockets. */
const UPGRADE_RATE = 50_000;
const UPGRADES = 3;
/** VIPs fail and come back one after the other, an even number of times each. */
const FLAPS = 10 * FAILING_VIP_IDS.length;
const FLAP_EVERY_MS = 10;
const TIMELINE_MS = 5;

/** Measures, prints, writes into `document` if one is given, and returns what is beyond its limit. */
export async function scale(document: string | null): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-scale-"));
  try {
    const compiled = compiling(folder);
    const loaded = await underLoad(folder);
    const findings = [...compiled, ...loaded.findings];
    const disturbance = `* ${disturbanceOf(loaded.stolen)}`;
    const text = [describeMachine([], new Date()), tableOf(findings), disturbance].join("\n\n");
    console.log(text);
    if (document !== null) writeSection(document, "scale", text);
    return findings
      .filter(({ value, atMost }) => atMost !== null && !(value <= atMost))
      .map(({ what, value, unit, atMost }) => `${what}: ${value} ${unit}, expected at most ${atMost}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What control does before it has a book to publish, in this process. */
function compiling(folder: string): readonly Finding[] {
  const place = join(folder, "compiling");
  mkdirSync(place);
  writeScale(place, [`listen: ["127.0.0.1:0"]`]);
  const [loaded, loadMs] = timed(() => new Loader(place).load());
  const { value: snapshot } = loaded;
  if (snapshot === null) throw new Error(loaded.problems.map(formatProblem).join("\n"));
  const [book, compileMs] = timed(() => {
    const { value: planner } = Planner.of(snapshot);
    if (planner === null) throw new Error("the world cannot be split for these policies");
    planner.planAll(new FactKeeper(snapshot.config, [], [], 0).facts(0));
    return compileBook(planner.content(1));
  });
  return [
    { what: "steered names", value: STEERED_NAMES.length, unit: "", atMost: null },
    { what: "snapshot loaded", value: loadMs / 1e3, unit: "s", atMost: null },
    { what: "plans made and book compiled", value: compileMs / 1e3, unit: "s", atMost: 5 },
    { what: "book", value: book.bytes.length / 2 ** 20, unit: "MiB", atMost: null },
  ];
}

/** What clients see of a node that answers at half its peak while things change. */
async function underLoad(
  folder: string,
): Promise<{ readonly findings: readonly Finding[]; readonly stolen: readonly number[] }> {
  const { generator, echo: echoProgram } = buildPrograms();
  const names = join(folder, "names");
  writeNames(names, STEERED_NAMES);
  const echoPort = await freePort();
  const echo = await Server.start(
    [echoProgram, "127.0.0.1", String(echoPort)],
    echoPort,
    STEERED_NAMES[0] ?? "",
  );
  const place = join(folder, "node");
  mkdirSync(place);
  const node = await ScaleNode.start(place);
  try {
    const load: Load = {
      port: node.port,
      names,
      ecs: true,
      expect: ADDRESSES,
      seconds: PEAK_SECONDS,
      rate: null,
    };
    await runLoad(generator, load);
    const peak = await runLoad(generator, load);
    const half: Load = { ...load, seconds: PHASE_SECONDS_MAX, rate: peak.qps / 2 };
    const phases = await phasesUnder(generator, half, node, echoPort);
    const all = Object.values(phases).flat();
    const findings = [
      { what: "answers at full load", value: peak.qps, unit: "/s", atMost: null },
      ...findingsIn(phases),
      {
        what: "most resident memory, all processes",
        value: node.residentOctetsMax / 2 ** 20,
        unit: "MiB",
        atMost: 1024,
      },
      total("queries lost during the hot upgrade", phases.upgrades, "lost"),
      total("queries lost in all", all, "lost"),
      total("wrong replies", all, "wrong"),
    ];
    return { findings, stolen: all.map(({ stolen }) => stolen) };
  } finally {
    await Promise.all([node.stop(), echo.stop()]);
  }
}

/** What was done under load, each as often as there are rounds. */
interface Phases {
  /** Of the C echo: what the machine itself does to the slowest answers. */
  readonly echoes: Phase[];
  readonly calm: Phase[];
  readonly flips: Phase[];
  readonly reloads: Phase[];
  readonly swaps: Phase[];
  readonly flapping: Phase[];
  readonly restarts: Phase[];
  readonly upgrades: Phase[];
}

async function phasesUnder(
  generator: string,
  half: Load,
  node: ScaleNode,
  echoPort: number,
): Promise<Phases> {
  const echoed: Load = { ...half, port: echoPort, expect: null };
  const phases: Phases = {
    echoes: [],
    calm: [],
    flips: [],
    reloads: [],
    swaps: [],
    flapping: [],
    restarts: [],
    upgrades: [],
  };
  for (let round = 1; round <= ROUNDS; round += 1) {
    console.error(`round ${round} of ${ROUNDS}`);
    phases.echoes.push(await during(generator, echoed, () => sleep(SWAPS * SWAP_EVERY_MS)));
    phases.calm.push(await during(generator, half, () => sleep(SWAPS * SWAP_EVERY_MS)));
    const fail = (): Promise<void> => node.report(FAILING_VIP_IDS, false);
    phases.flips.push(await during(generator, half, fail, () => node.report(FAILING_VIP_IDS, true)));
    phases.reloads.push(await during(generator, half, () => node.reload()));
    phases.swaps.push(await during(generator, half, () => swapBooks(node)));
    phases.flapping.push(await during(generator, half, () => flap(node)));
    phases.restarts.push(await during(generator, half, () => node.restartControl()));
  }
  // Last, because what is new has not compiled its code yet.
  const fewer = { ...half, rate: UPGRADE_RATE };
  for (let i = 0; i < UPGRADES; i += 1) {
    phases.upgrades.push(await during(generator, fewer, () => node.upgrade()));
  }
  return phases;
}

/** How long things took, and the slowest answers meanwhile. */
function findingsIn(phases: Phases): readonly Finding[] {
  const { echoes, calm, flips, reloads, swaps, flapping, restarts, upgrades } = phases;
  return [
    {
      what: `failure of ${FAILING_VIP_IDS.length} VIPs of ${SERVICES_TOUCHED} services, from report to last old answer`,
      value: median(flips.map(lastOldAnswerMs)),
      unit: "ms",
      atMost: 100,
    },
    {
      what: "zone file changed, until it is in answers",
      value: median(reloads.map(({ tookMs }) => tookMs)) / 1e3,
      unit: "s",
      atMost: null,
    },
    {
      what: "control killed, until it takes reports again",
      value: median(restarts.map(({ tookMs }) => tookMs)) / 1e3,
      unit: "s",
      atMost: null,
    },
    {
      what: `p99.9 at ${UPGRADE_RATE} queries/s during the hot upgrade`,
      value: p999Ms(upgrades),
      unit: "ms",
      atMost: null,
    },
    {
      what: "hot upgrade, until the new control takes reports",
      value: median(upgrades.map(({ tookMs }) => tookMs)) / 1e3,
      unit: "s",
      atMost: null,
    },
    { what: "p99.9 of the C echo at the same rate", value: p999Ms(echoes), unit: "ms", atMost: null },
    slowest("without a change", calm, ORDINARY_P999_MS_MAX),
    slowest("during the failure", flips, P999_MS_MAX),
    slowest("during the reload", reloads, P999_MS_MAX),
    slowest(`while a book is swapped every ${SWAP_EVERY_MS / 1e3} s`, swaps, ORDINARY_P999_MS_MAX),
    slowest(`while ${1e3 / FLAP_EVERY_MS} VIPs a second fail or come back`, flapping, P999_MS_MAX),
    slowest("while control starts again", restarts, P999_MS_MAX),
  ];
}

async function swapBooks(node: ScaleNode): Promise<void> {
  for (let swap = 1; swap <= SWAPS; swap += 1) await Promise.all([node.reload(), sleep(SWAP_EVERY_MS)]);
}

async function flap(node: ScaleNode): Promise<void> {
  for (let flaps = 0; flaps < FLAPS; flaps += 1) {
    const vip = FAILING_VIP_IDS[flaps % FAILING_VIP_IDS.length] ?? "";
    const isUp = Math.trunc(flaps / FAILING_VIP_IDS.length) % 2 === 1;
    await Promise.all([node.report([vip], isUp), sleep(FLAP_EVERY_MS)]);
  }
}

/** What was seen while something was done under load. */
interface Phase {
  readonly result: LoadResult;
  readonly intervals: readonly Interval[];
  /** When it was begun, on the clock of `process.hrtime`, and how long it took. */
  readonly begunNs: number;
  readonly tookMs: number;
  /** The share of the cores' time that the host took meanwhile. */
  readonly stolen: number;
}

/** Does something under load, then undoes it; again, while the host of this machine is in the way. */
async function during(
  generator: string,
  load: Load,
  act: () => Promise<void>,
  undo: () => Promise<void> = async () => undefined,
): Promise<Phase> {
  const { result, stolen } = await undisturbed(async () => {
    const phase = await once(generator, load, act);
    await undo();
    return phase;
  });
  return { ...result, stolen };
}

async function once(generator: string, load: Load, act: () => Promise<void>): Promise<Omit<Phase, "stolen">> {
  const intervals: Interval[] = [];
  const timeline = { everyMs: TIMELINE_MS, onInterval: (interval: Interval) => intervals.push(interval) };
  const running = startLoad(generator, { ...load, timeline });
  await sleep(CALM_MS);
  const begunNs = Number(process.hrtime.bigint());
  await act();
  const tookMs = (Number(process.hrtime.bigint()) - begunNs) / 1e6;
  await sleep(CALM_MS);
  running.stop();
  return { result: await running.result, intervals, begunNs, tookMs };
}

/** From the report of the failure to the end of the last interval in which a failed VIP was answered. */
function lastOldAnswerMs({ intervals, begunNs }: Phase): number {
  const old = intervals.filter(({ by }) => (by[FAILING] ?? 0) > 0);
  const last = old.at(-1);
  if (last === undefined) throw new Error(`expected answers of ${FAILING} before its failure, got none`);
  if (last === intervals.at(-1)) return Number.POSITIVE_INFINITY;
  return (last.endedNs - begunNs) / 1e6;
}

function slowest(when: string, phases: readonly Phase[], atMost: number): Finding {
  return { what: `p99.9 at half load ${when}`, value: p999Ms(phases), unit: "ms", atMost };
}

function p999Ms(phases: readonly Phase[]): number {
  return median(phases.map(({ result }) => result.p999us)) / 1e3;
}

/** What must not be in any phase. */
function total(what: string, phases: readonly Phase[], of: "lost" | "wrong"): Finding {
  return { what, value: phases.reduce((sum, { result }) => sum + result[of], 0), unit: "", atMost: 0 };
}

function tableOf(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, value, unit, atMost }) => {
    const limit = atMost === null ? "" : `${atMost} ${unit}`;
    return `| ${what} | ${figure(value)} ${unit} | ${limit} |`;
  });
  return ["| what | measured | at most |", "| --- | ---: | ---: |", ...rows].join("\n");
}

function figure(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 2 : 0 });
}

function timed<T>(work: () => T): readonly [T, number] {
  const from = performance.now();
  const value = work();
  return [value, performance.now() - from];
}
