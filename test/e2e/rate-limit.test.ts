/** The rate limit of a whole node: two workers, many sockets, one source. */

import { createSocket } from "node:dgram";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { optionsOf, queryOf, queryWith, readReply } from "../answer/harness.ts";
import { has, type Program, useLab } from "./harness.ts";
import { layOut, type Site, startNode } from "./site.ts";

const lab = useLab();
let site: Site;
let node: Program;

beforeAll(async () => {
  const limit = "rateLimit: { answers: 5, errors: 0, slip: 0, window: 2s }\n  nsid: node-a";
  site = await layOut(lab, [["  workers: 1", `  workers: 2\n  ${limit}`]]);
  node = await startNode(lab, site);
});

/** The replies to copies of a query, each sent from a socket of its own, so that the kernel spreads them over workers. */
async function flood(query: Uint8Array, copies: number): Promise<readonly Buffer[]> {
  const replies: Buffer[] = [];
  const sockets = Array.from({ length: copies }, () => createSocket("udp4"));
  for (const socket of sockets) {
    socket.on("message", (reply) => replies.push(reply));
    socket.send(query, site.port, "127.0.0.1");
  }
  await sleep(500);
  for (const socket of sockets) socket.close();
  return replies;
}

test("all workers together answer a source as often as the limit allows, and the log says so", async () => {
  const replies = await flood(queryOf("www.gslb.example", "A", { size: 1232 }), 200);
  // A second may begin meanwhile; and where two workers write at once, one response is not counted.
  expect(replies.length).toBeGreaterThanOrEqual(5);
  expect(replies.length).toBeLessThanOrEqual(15);
  await node.said(/the rate limit holds responses back/);
});

test("errors are let be where their rate is 0", async () => {
  expect(await flood(queryOf("www.elsewhere.example", "A"), 50)).toHaveLength(50);
});

test("a client with a cookie of ours is answered in the midst of it (RFC 7873 §5.2.5)", async () => {
  await sleep(3_000);
  const [first] = await flood(queryWith("www.gslb.example", "A", [10, "0102030405060708"], [3, ""]), 1);
  const options = new Map(optionsOf(first!));
  expect(Buffer.from(options.get(3)!, "hex").toString()).toBe("node-a");
  await flood(queryOf("www.gslb.example", "A"), 100);
  const replies = await flood(queryWith("www.gslb.example", "A", [10, options.get(10)!]), 50);
  expect(replies).toHaveLength(50);
  for (const reply of replies) expect(readReply(reply)).toMatchObject({ rcode: "NOERROR", flag_tc: false });
});

describe.skipIf(!has("dig"))("dig (needs dig)", () => {
  test("is answered over TCP, however often it asks", async () => {
    for (let i = 0; i < 10; i += 1) {
      const question = ["@127.0.0.1", "-p", String(site.port), "+tcp", "+short", "www.gslb.example"];
      const dig = lab.start("dig", "dig", question);
      await dig.ended;
      expect(dig.output).toMatch(/^127\.0\./);
    }
  });
});
