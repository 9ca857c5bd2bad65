/** A node under a service manager: it takes the sockets that are passed, and says how it is. */

import { spawnSync } from "node:child_process";
import type { Socket } from "node:dgram";
import { once } from "node:events";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/config/node.ts";
import { openTcpSocket, openUdpSocket } from "../../src/serve/sockets.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { ManagerSocket } from "../serve/manager-socket.ts";
import { endpoint } from "../serve/udp-client.ts";
import { type Answer, encodeQuery, Resolver, readAnswer } from "./dns.ts";
import { has, useLab } from "./harness.ts";
import { EUROPEAN, layOut, type Site, VIPS } from "./site.ts";

const CALLS = systemCalls();
const CLI = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));
const UNITS = ["meridian.service", "meridian.socket"] as const;

describe.skipIf(CALLS === null)("a node under a service manager (needs koffi and Linux)", () => {
  const lab = useLab();
  const calls = CALLS!;
  let site: Site;

  beforeAll(async () => {
    site = await layOut(lab, [["workers: 1", "workers: 2"]]);
  });

  test("answers on the sockets that it is passed, says when it is ready, hands over, and says when it stops", async () => {
    const manager = new ManagerSocket(calls, join(lab.folder, "notify"));
    const at: Endpoint = endpoint("127.0.0.1", site.port);
    // Two for one endpoint, as with ReusePort=, and one that the config does not name.
    const udp = [
      openUdpSocket(calls, at).fd,
      openUdpSocket(calls, at).fd,
      openUdpSocket(calls, endpoint("127.0.0.1")).fd,
    ];
    const passed = [...udp, openTcpSocket(calls, at)];
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const early = firstAnswer(await lab.socket("127.0.0.1"), site.port);
    // The shell knows its process id before it becomes Node.
    const script = `export LISTEN_PID=$$ LISTEN_FDS=${passed.length}; exec "$0" "$@"`;
    const env = { NOTIFY_SOCKET: manager.path, WATCHDOG_USEC: "1000000" };
    const args = ["-c", script, process.execPath, CLI, "serve", "--config", site.folder];
    const node = lab.start("node", "sh", args, env, passed);
    for (const fd of passed) calls.close(fd);
    expect(await manager.hears(/^READY=1/)).toBe("READY=1\nSTATUS=answers from book 1");
    // There was no book yet when it came: it waited in the socket all the same.
    expect((await early).rcode).toBe("SERVFAIL");
    await node.said(/not listening on sockets that the config does not name/);
    await manager.hears(/^WATCHDOG=1/);

    const upgrade = lab.meridian("upgrade", ["upgrade", "--config", site.folder]);
    await upgrade.ended;
    expect(upgrade.status).toBe(0);
    await manager.hears(/^RELOADING=1/);
    const mainPid = (await manager.hears(/^MAINPID=/)).slice("MAINPID=".length);
    expect(upgrade.output).toContain(`process ${mainPid} has taken over`);
    manager.said.length = 0;
    await manager.hears(/^READY=1/);
    expect(await resolver.look("www.gslb.example", { subnet: EUROPEAN })).toBe(VIPS.eu);

    process.kill(Number(mainPid), "SIGTERM");
    await manager.hears(/^STOPPING=1/);
    await node.ended;
    manager.close();
  });

  test.skipIf(!has("systemd-socket-activate"))(
    "is started by systemd-socket-activate with the first query, and answers it",
    async () => {
      const options = ["--datagram", "--listen", `127.0.0.1:${site.port}`];
      const node = lab.start("systemd", "systemd-socket-activate", [
        ...options,
        process.execPath,
        CLI,
        "serve",
        "--config",
        site.folder,
      ]);
      await node.said(/Listening on/);
      const answer = await firstAnswer(await lab.socket("127.0.0.1"), site.port);
      expect(answer.data).toEqual([VIPS.eu]);
      await node.end("SIGTERM");
    },
  );
});

/** The answer to one query that waits in a socket for a node to start, however long that takes. */
async function firstAnswer(socket: Socket, port: number): Promise<Answer> {
  const answer = once(socket, "message");
  socket.send(encodeQuery(1, "www.gslb.example", "A", { subnet: EUROPEAN }), port, "127.0.0.1");
  const [octets] = await answer;
  return readAnswer(octets);
}

describe.skipIf(!has("systemd-analyze"))("the units (needs systemd-analyze)", () => {
  const lab = useLab();

  test("are understood by systemd, and expose little", () => {
    for (const unit of UNITS)
      copyFileSync(new URL(`../../systemd/${unit}`, import.meta.url), join(lab.folder, unit));
    const verified = spawnSync("systemd-analyze", ["verify", ...UNITS.map((unit) => `./${unit}`)], {
      cwd: lab.folder,
    });
    // The machine of a test has no /usr/bin/node.
    const complaints = String(verified.stderr)
      .split("\n")
      .filter((line) => line !== "" && !line.includes("/usr/bin/node"));
    expect(complaints).toEqual([]);
    const security = spawnSync("systemd-analyze", [
      "security",
      "--offline=true",
      "--threshold=20",
      join(lab.folder, UNITS[0]),
    ]);
    expect(String(security.stdout)).toContain("Overall exposure level");
    expect(security.status).toBe(0);
  });
});
