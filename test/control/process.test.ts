/** The control process itself, with the test in the place of dns. */

import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { json, text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { ToDns } from "../../src/book/messages.ts";
import { type LocalOrder, localSocketPath } from "../../src/control/local-socket.ts";
import { CONFIG, Dns, Folder, GB, until, ZONE } from "./test-node.ts";

const CONTROL = join(import.meta.dirname, "../../src/control.ts");

const DRAIN_EU: LocalOrder = {
  verb: "drain",
  target: "eu-west",
  user: "anna",
  reason: "a test",
  forMs: null,
  force: false,
};

/** Forks control as dns does. */
function start(folder: Folder, dns: Dns): ChildProcess {
  const child = fork(CONTROL, [folder.path, folder.file("state")], {
    serialization: "advanced",
    stdio: "pipe",
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  child.on("message", (message: ToDns) => dns.receive(message));
  dns.tell = (message) => {
    if (child.connected) child.send(message, () => undefined);
  };
  dns.tell({ kind: "hello", version: dns.host.version });
  return child;
}

test("control publishes, follows the files, and after kill -9 goes on where it was", async () => {
  const folder = new Folder();
  const dns = new Dns();
  const first = start(folder, dns);
  await until(() => dns.host.version === 1);
  expect(dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  folder.write("test.example.zone", `${ZONE}new STEER www\n`);
  await until(() => dns.host.version === 2);
  expect(dns.addresses("new.test.example", GB)).toEqual(["10.0.0.2"]);
  first.kill("SIGKILL");
  await once(first, "exit");
  expect(dns.addresses("new.test.example", GB)).toEqual(["10.0.0.2"]);
  start(folder, dns);
  await until(() => dns.host.version === 3);
});

test("control reads its files when it is told to, changed or not, and a terminal that is closed does not end it", async () => {
  const dns = new Dns();
  const control = start(new Folder(), dns);
  await until(() => dns.messages.some(({ kind }) => kind === "ready"));
  control.kill("SIGHUP");
  dns.tell({ kind: "reload" });
  await until(() => dns.host.version === 2);
});

test("control steers while another process has the port of its API, and listens there once it is free", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const bound = other.address();
  const api = `127.0.0.1:${typeof bound === "object" ? bound?.port : 0}`;
  const config = CONFIG.replace('api: { listen: "127.0.0.1:0" }', `api: { listen: "${api}" }`);
  const folder = new Folder({ "meridian.yaml": config });
  const dns = new Dns();
  start(folder, dns);
  await until(() => dns.messages.some(({ kind }) => kind === "ready"));
  const socket = connect(localSocketPath(folder.file("state")));
  socket.end(JSON.stringify(DRAIN_EU));
  expect(await json(socket)).toMatchObject({ kind: "done" });
  expect(dns.addresses("www.test.example", GB)).toEqual(["10.0.0.1"]);
  other.close();
  const healthOf = async (): Promise<number | null> =>
    (await fetch(`http://${api}/healthz`).catch(() => null))?.status ?? null;
  while ((await healthOf()) !== 200) await sleep(50);
});

test("control ends when dns goes away, and when it is told to, before dns would kill it", async () => {
  const [orphanDns, toldDns] = [new Dns(), new Dns()];
  const orphan = start(new Folder(), orphanDns);
  const told = start(new Folder(), toldDns);
  await until(() => orphanDns.host.version === 1 && toldDns.host.version === 1);
  const orphanEnded = once(orphan, "exit");
  orphan.disconnect();
  expect(await orphanEnded).toEqual([0, null]);
  const toldEnded = once(told, "exit");
  const startedMs = performance.now();
  told.kill("SIGTERM");
  expect(await toldEnded).toEqual([0, null]);
  expect(performance.now() - startedMs).toBeLessThan(1_000);
});

test("control without dns says so and ends", async () => {
  const child = spawn(process.execPath, [CONTROL], { stdio: "pipe" });
  const output = text(child.stdout);
  expect(await once(child, "exit")).toEqual([2, null]);
  expect(await output).toContain("started by dns");
});
