import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { expect, onTestFinished, test } from "vitest";
import { ControlProcess } from "../../src/serve/control-process.ts";
import { mayStepForward } from "../../src/serve/priority.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { Policy, schedulingOf } from "./scheduling.ts";
import { until } from "./until.ts";

/** A process has that many threads once V8 and libuv have started theirs. */
const THREADS_MIN = 6;

test.runIf(process.platform === "linux")("every thread of control is behind dns from its start", async () => {
  const folder = mkdtempSync(join(tmpdir(), "meridian-test-"));
  const calls = systemCalls();
  const control = new ControlProcess([folder, folder], calls, pino({ level: "silent" }), {
    started: () => {},
    ended: () => {},
    message: () => {},
  });
  onTestFinished(async () => {
    await control.stop();
    rmSync(folder, { recursive: true });
  });
  control.start();
  const pid = control.pid ?? 0;
  await until(() => readdirSync(`/proc/${pid}/task`).length >= THREADS_MIN);
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const { policy, nice } = schedulingOf(pid, thread);
    if (calls !== null && mayStepForward()) expect(policy).toBe(Policy.idle);
    else expect(nice).toBe(getPriority() + 3);
  }
});
