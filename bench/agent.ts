/** `npm run bench -- --agent`: what an agent costs that probes 100, 1,000 and 5,000 VIPs every five seconds. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { BenchNode } from "./agent-node.ts";
import { BenchVips, INTERVAL_MS, JITTER_MS } from "./agent-vips.ts";
import { SERVER_CORE } from "./cores.ts";
import { cpuNsOf, residentOctetsOf } from "./cpu.ts";
import { writeSection } from "./document.ts";
import { describeMachine } from "./machine.ts";
import { CLI } from "./meridian.ts";
import { markdownOf } from "./table.ts";

const SIZES = [100, 1_000, 5_000];
/** First probes, rechecks and the first, random wait are over by then. */
const SETTLE_MS = 12_000;
const MEASURE_MS = 15_000;
const LOOK_MS = 100;

/** What the agent with the most VIPs may cost. */
const SHARE_MAX = 0.3;
const RESIDENT_MIB_MAX = 300;
/** A probe begun this long after its interval and jitter is late. */
const LATE_MS = 50;

/** What was seen of one agent. */
interface AgentRun {
  readonly vips: number;
  /** Of a core. */
  readonly share: number;
  readonly cpuUsPerProbe: number;
  readonly residentMib: number;
  readonly probesPerSecond: number;
  readonly most10ms: number;
  readonly mean10ms: number;
  /** In the first seconds, when everything is new. */
  readonly mostAtStart10ms: number;
  readonly late: number;
  readonly latestMs: number;
  readonly failures: number;
}

/** Measures, prints, writes into `document` if one is given, and returns what is beyond its limit. */
export async function agentTable(document: string | null): Promise<readonly string[]> {
  const runs: AgentRun[] = [];
  for (const size of SIZES) {
    console.error(`${size} VIPs`);
    runs.push(await runOf(size));
  }
  const text = [describeMachine([], new Date()), tableOf(runs)].join("\n\n");
  console.log(text);
  if (document !== null) writeSection(document, "agent", text);
  return runs.flatMap(faultsOf);
}

async function runOf(size: number): Promise<AgentRun> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-agent-"));
  const vips = await BenchVips.open();
  const node = await BenchNode.open(vips.targets(size));
  const agent = startAgent(folder, node.url);
  try {
    await node.connected;
    await sleep(SETTLE_MS);
    const mostAtStart10ms = vips.begun().most10ms;
    return { ...(await measure(agent, vips, node)), vips: size, mostAtStart10ms };
  } finally {
    agent.kill("SIGTERM");
    if (agent.exitCode === null) await once(agent, "exit");
    node.close();
    vips.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `meridian agent` with the servers' core to itself. */
function startAgent(folder: string, node: string): ChildProcess {
  const token = join(folder, "token");
  writeFileSync(token, "bench");
  const options = ["--node", node, "--token-file", token, "--vantage", "bench"];
  const command = ["-c", String(SERVER_CORE), process.execPath, CLI, "agent", ...options];
  return spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit"] });
}

async function measure(
  agent: ChildProcess,
  vips: BenchVips,
  node: BenchNode,
): Promise<Omit<AgentRun, "vips" | "mostAtStart10ms">> {
  const pid = agent.pid ?? 0;
  vips.forget();
  const fromMs = performance.now();
  const fromNs = cpuNsOf(pid);
  let residentOctets = 0;
  while (performance.now() - fromMs < MEASURE_MS) {
    residentOctets = Math.max(residentOctets, residentOctetsOf(pid));
    await sleep(LOOK_MS);
  }
  const tookMs = performance.now() - fromMs;
  const cpuNs = cpuNsOf(pid) - fromNs;
  const { count, most10ms, latenessMs } = vips.begun();
  return {
    share: cpuNs / 1e6 / tookMs,
    cpuUsPerProbe: cpuNs / 1e3 / count,
    residentMib: residentOctets / 2 ** 20,
    probesPerSecond: count / (tookMs / 1e3),
    most10ms,
    mean10ms: count / (tookMs / 10),
    late: latenessMs.filter((ms) => ms > LATE_MS).length,
    latestMs: Math.max(0, ...latenessMs),
    failures: node.failures,
  };
}

function tableOf(runs: readonly AgentRun[]): string {
  const head = [
    "VIPs",
    "probes/s",
    "share of a core",
    "CPU µs/probe",
    "resident MiB",
    "begun in 10 ms: mean",
    "most",
    "most at the start",
    `late by more than ${LATE_MS} ms`,
    "latest ms",
    "failed",
  ];
  const rows = runs.map((run) => [
    run.vips.toLocaleString("en"),
    run.probesPerSecond.toFixed(0),
    `${(100 * run.share).toFixed(1)} %`,
    run.cpuUsPerProbe.toFixed(0),
    run.residentMib.toFixed(0),
    run.mean10ms.toFixed(2),
    String(run.most10ms),
    String(run.mostAtStart10ms),
    String(run.late),
    run.latestMs.toFixed(0),
    String(run.failures),
  ]);
  return markdownOf(head, rows, []);
}

function faultsOf({ vips, share, residentMib, late, failures }: AgentRun): readonly string[] {
  const faults: string[] = [];
  if (share > SHARE_MAX)
    faults.push(`${(100 * share).toFixed(1)} % of a core, expected at most ${100 * SHARE_MAX} %`);
  if (residentMib > RESIDENT_MIB_MAX)
    faults.push(`${residentMib.toFixed(0)} MiB, expected at most ${RESIDENT_MIB_MAX}`);
  if (late > 0)
    faults.push(`${late} probes late by more than ${LATE_MS} ms, beyond ${INTERVAL_MS + JITTER_MS} ms`);
  if (failures > 0) faults.push(`${failures} probes failed`);
  return faults.map((fault) => `${vips} VIPs: ${fault}`);
}
