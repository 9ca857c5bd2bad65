import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ServiceManager } from "../../src/serve/notify.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { ManagerSocket } from "./manager-socket.ts";

const CALLS = systemCalls();

describe.skipIf(CALLS === null)(
  `sd_notify${CALLS === null ? " (skipped: needs koffi and Linux)" : ""}`,
  () => {
    const calls = CALLS!;

    function listen(path: string): ManagerSocket {
      const socket = new ManagerSocket(calls, path);
      onTestFinished(() => socket.close());
      return socket;
    }

    function inFolder(): string {
      const folder = mkdtempSync(join(tmpdir(), "meridian-test-"));
      onTestFinished(() => rmSync(folder, { recursive: true }));
      return join(folder, "notify");
    }

    test.each([
      ["a file", inFolder],
      ["a name without a file", () => `@meridian-test-${process.pid}`],
    ])("a manager behind %s hears each state in one datagram", async (_, path) => {
      const socket = listen(path());
      const manager = new ServiceManager(calls, { NOTIFY_SOCKET: socket.path }, 70);
      expect(manager.isPresent).toBe(true);
      manager.ready(3);
      manager.reloading();
      manager.handOver(71);
      manager.stopping();
      await socket.hears(/^STOPPING/);
      expect(socket.said).toEqual([
        "READY=1\nSTATUS=answers from book 3",
        expect.stringMatching(/^RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=/),
        "MAINPID=71",
        "STOPPING=1",
      ]);
    });

    test.each([
      ["is for this process", { WATCHDOG_USEC: "40000", WATCHDOG_PID: "70" }],
      ["names no process", { WATCHDOG_USEC: "40000" }],
    ])("a watchdog that %s is fed until the end", async (_, environment) => {
      const socket = listen(inFolder());
      const manager = new ServiceManager(calls, { NOTIFY_SOCKET: socket.path, ...environment }, 70);
      await socket.hears(/^WATCHDOG=1$/);
      socket.said.length = 0;
      await socket.hears(/^WATCHDOG=1$/);
      manager.stopping();
      await socket.hears(/^STOPPING/);
      const { length } = socket.said;
      await expect(socket.hears(/never/, 100)).rejects.toThrow();
      expect(socket.said.length).toBe(length);
    });

    test.each([{ WATCHDOG_USEC: "40000", WATCHDOG_PID: "71" }, { WATCHDOG_USEC: "soon" }, {}])(
      "a watchdog that is another's or none is not fed: %j",
      async (environment) => {
        const socket = listen(inFolder());
        new ServiceManager(calls, { NOTIFY_SOCKET: socket.path, ...environment }, 70);
        await expect(socket.hears(/./, 100)).rejects.toThrow();
      },
    );

    test.each([undefined, "", "relative", "@", `/${"long".repeat(30)}`])("no manager is at %j", (path) => {
      const manager = new ServiceManager(calls, { NOTIFY_SOCKET: path }, 70);
      expect(manager.isPresent).toBe(false);
      manager.ready(1);
    });

    test("a manager that is gone is not waited for", () => {
      const manager = new ServiceManager(calls, { NOTIFY_SOCKET: "/nonexistent/notify" }, 70);
      manager.ready(1);
    });
  },
);
