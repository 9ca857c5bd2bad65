/** What an ICMP probe sees, in a network of its own where groups may or may not send echoes. */

import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { Outcome } from "../../src/health/report.ts";

const run = promisify(execFile);
/** Nothing here changes the system's own network. */
const network = ["-rn", "sh", "-c"];
const isPossible = spawnSync("unshare", [...network, "ip link set lo up"]).status === 0;

interface Look {
  readonly outcome: Outcome | null;
  readonly givenUp: Outcome | null;
  readonly problem: string | null;
}

/** A network begins with nobody allowed. */
const allowed =
  "echo 0 0 > /proc/sys/net/ipv4/ping_group_range && ip link set lo up && ip route add 198.51.100.0/24 dev lo";

async function look(address: string, timeoutMs: number, prepare: string): Promise<Look> {
  const command = [process.execPath, join(import.meta.dirname, "icmp-look.ts"), address, String(timeoutMs)];
  const { stdout } = await run("unshare", [...network, `${prepare} && exec "$@"`, "sh", ...command]);
  return JSON.parse(stdout);
}

describe.skipIf(!isPossible)("an ICMP probe (needs unshare with user namespaces, and ip)", () => {
  test.each(["127.0.0.1", "::1"])("of %s is a success, timed as one round trip", async (address) => {
    const { outcome, givenUp, problem } = await look(address, 2_000, allowed);
    expect(outcome).toMatchObject({ kind: "success", timings: { tlsMs: null, firstByteMs: null } });
    expect(outcome?.timings.connectMs).toBeGreaterThan(0);
    expect(givenUp).toBeNull();
    expect(problem).toBeNull();
  });

  test("of an address without a route is unreachable", async () => {
    expect((await look("192.0.2.1", 2_000, allowed)).outcome).toMatchObject({
      error: "unreachable",
      detail: expect.stringContaining("ENETUNREACH"),
    });
  });

  test("of an address that does not reply times out", async () => {
    expect((await look("198.51.100.1", 200, allowed)).outcome).toMatchObject({
      error: "timeout",
      detail: "waited 200 ms for the echo reply",
    });
  });

  test("says nothing of the VIP where the system does not allow it, and what would have to be different", async () => {
    expect(await look("127.0.0.1", 2_000, "ip link set lo up")).toEqual({
      outcome: null,
      givenUp: null,
      problem:
        "Cannot open an ICMP socket: EACCES, expected a group of this process in net.ipv4.ping_group_range",
    });
  });
});
