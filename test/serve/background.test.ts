import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Background } from "../../src/serve/background.ts";
import { mayStepForward } from "../../src/serve/priority.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { Policy, schedulingOf } from "./scheduling.ts";
import { until } from "./until.ts";

const calls = systemCalls();
const mayLend = calls !== null && process.platform === "linux" && mayStepForward();

test.runIf(mayLend)(
  "it runs while nobody else wants the core, and is lent a share if somebody always does",
  async () => {
    const process = await startLoop();
    const background = new Background(process, calls);
    onTestFinished(() => background.ended());
    await sleep(500);
    expect(schedulingOf(process).policy, "while it has what it wants").toBe(Policy.idle);
    await startLoop();
    await until(() => schedulingOf(process).policy === Policy.ordinary);
    expect(schedulingOf(process).nice).toBe(getPriority() + 10);
    background.started();
    expect(schedulingOf(process).nice).toBe(getPriority() + 3);
    // At once, and not only in the next loan.
    const before = ranMsOf(process);
    await sleep(1000);
    expect(ranMsOf(process) - before, "milliseconds in a second, a third is its share").toBeGreaterThan(100);
    await until(() => schedulingOf(process).policy === Policy.idle);
  },
  20_000,
);

test.runIf(process.platform === "linux")("without system calls it runs a little below", async () => {
  const process = await startLoop();
  const background = new Background(process, null);
  onTestFinished(() => background.ended());
  expect(schedulingOf(process)).toEqual({ policy: Policy.ordinary, nice: getPriority() + 3 });
});

/** A process that wants the first core all the time, for half a minute at most. */
async function startLoop(): Promise<number> {
  const loop: ChildProcess = spawn(
    "timeout",
    ["--foreground", "30", "sh", "-c", "echo; while :; do :; done"],
    {
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  onTestFinished(() => void loop.kill());
  await once(loop.stdout!, "data");
  const child = Number(execFileSync("pgrep", ["-P", String(loop.pid)], { encoding: "utf8" }));
  execFileSync("taskset", ["-cp", "0", String(child)], { stdio: "ignore" });
  return child;
}

function ranMsOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
}
