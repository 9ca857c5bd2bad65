import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pino from "pino";
import { expect, onTestFinished, test } from "vitest";
import { ControlProcess } from "../../src/serve/control-process.ts";

/** A process has that many threads once V8 and libuv have started theirs. */
const THREADS_MIN = 4;

test.runIf(process.platform === "linux")(
  "every thread of a control that starts runs below dns, and a control that has started a little below",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-test-"));
    const log = pino({ level: "silent" });
    const control = new ControlProcess([folder, folder], log, {
      started: () => {},
      ended: () => {},
      message: () => {},
    });
    onTestFinished(async () => {
      await control.stop();
      rmSync(folder, { recursive: true });
    });
    control.start();
    let nices: readonly number[] = [];
    while (nices.length < THREADS_MIN) {
      await sleep(20);
      nices = nicesOf(control.pid ?? 0);
    }
    const [nice] = nices;
    expect(new Set(nices).size).toBe(1);
    // How far a process may be put back depends on whether this user may put it forward again.
    expect([3, 10]).toContain((nice ?? 0) - getPriority());
    control.promote();
    expect(getPriority(control.pid ?? 0)).toBe(getPriority() + 3);
  },
);

/** The nice value of each thread: field 19 of its stat (proc_pid_stat(5)), behind a name that may hold anything. */
function nicesOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}
