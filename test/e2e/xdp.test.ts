/** A node that takes queries before the kernel's network stack has seen them, asked over a link between two namespaces. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLIENT, canLink, INTERFACE, SERVER } from "../../bench/link.ts";
import { encodeQuery, readAnswer } from "./dns.ts";
import { has, report, until, useLab } from "./harness.ts";
import { LINK_RATE, LinkedNode } from "./linked-node.ts";
import { EUROPEAN, VIPS } from "./site.ts";

const QNAME = "www.gslb.example";
const END_WORKERS = join(import.meta.dirname, "end-workers.ts");
/** What a worker may have in its hands. */
const BATCH = 64;
/** Of an endpoint beside the wildcards. */
const OTHER_PORT = 5353;

const isPossible = canLink() && has("cc");

describe.skipIf(!isPossible)(
  "a node that takes queries by XDP (needs CAP_NET_ADMIN, CAP_BPF, ip and cc)",
  () => {
    const lab = useLab();
    let linked: LinkedNode;

    beforeAll(async () => {
      linked = await LinkedNode.start(lab, QNAME, OTHER_PORT, [
        `xdp: [none0, ${INTERFACE}]`,
        `explain: ["${CLIENT.ipv4}/32", "${CLIENT.ipv6}/128"]`,
      ]);
    });

    afterAll(() => linked.link.remove());

    test.each([
      ["IPv4, at a wildcard", SERVER.ipv4, () => linked.site.port],
      ["IPv4, at an address of its own", SERVER.ipv4, () => OTHER_PORT],
      ["IPv6", SERVER.ipv6, () => linked.site.port],
    ])("answers over %s, whatever a query's length", (_, address, port) => {
      // Names of all lengths modulo four: a checksum counts words.
      const names = ["a", "ab", "abc", "abcd", "abcde"].map((label) => `${label}.gslb.example`);
      const queries = [
        encodeQuery(1, QNAME, "A", { subnet: EUROPEAN }),
        ...names.map((name, i) => encodeQuery(i + 2, name, "A", { subnet: EUROPEAN })),
      ];
      const isTaken = linked.takenBy(() => {
        const [first = Buffer.alloc(0), ...others] = linked.ask(address, port(), ...queries);
        expect(readAnswer(first).data).toEqual([VIPS.eu]);
        expect(others.map((reply) => readAnswer(reply).rcode)).toEqual(names.map(() => "NXDOMAIN"));
      });
      expect(isTaken).toBe(queries.length);
    });

    test.each([
      ["IPv4, at a wildcard", SERVER.ipv4, () => linked.site.port],
      ["IPv4, at an address of its own", SERVER.ipv4, () => OTHER_PORT],
      ["IPv6", SERVER.ipv6, () => linked.site.port],
    ])("has control reply over %s", (_, address, port) => {
      const query = encodeQuery(9, `_explain.${QNAME}`, "TXT", { subnet: EUROPEAN });
      const isTaken = linked.takenBy(() => {
        const [reply = Buffer.alloc(0)] = linked.ask(address, port(), query);
        // Truncated: the reasons are long, and nobody else would have said so.
        expect(reply.readUInt16BE(2) & 0x820f).toBe(0x8200);
      });
      expect(isTaken).toBe(1);
    });

    test("leaves to the kernel what comes in fragments, to other ports, or over TCP", () => {
      // With an option of 2,000 octets (RFC 7830), which takes two packets.
      const padded = Buffer.concat([
        encodeQuery(5, QNAME, "A").subarray(0, 10),
        Buffer.from([0, 1]),
        encodeQuery(5, QNAME, "A").subarray(12),
        Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0x07, 0xd4, 0, 12, 0x07, 0xd0]),
        Buffer.alloc(2_000),
      ]);
      const isTaken = linked.takenBy(() => {
        const { port } = linked.site;
        const replies = [...linked.ask(SERVER.ipv4, port, padded), ...linked.ask(SERVER.ipv6, port, padded)];
        expect(replies.map((reply) => readAnswer(reply).rcode)).toEqual(["NOERROR", "NOERROR"]);
        const overTcp = linked.run(
          linked.link.client,
          ...["dig", "+tcp", "+short", "-p", String(port), `@${SERVER.ipv4}`, QNAME],
        );
        expect(overTcp).toMatch(/^127\.0\./);
        expect(() => linked.ask(SERVER.ipv4, OTHER_PORT + 1, encodeQuery(6, QNAME, "A"))).toThrow(
          /ECONNREFUSED/,
        );
      });
      expect(isTaken).toBe(0);
    });

    test("says which interface there is not, and serves at the others", () => {
      expect(linked.node.output).toMatch(/"interface":"none0","reason":"Error: expected one of lo, server0"/);
    });

    test("has its queues read on when a worker ends, and loses at most the batch in its hands", async () => {
      const { node, link } = linked;
      const [, url = ""] = await node.said(/Debugger listening on (ws:\S+)/);
      const before = linked.taken();
      const loading = linked.load(4);
      await sleep(500);
      linked.run(link.server, process.execPath, END_WORKERS, url);
      const { sent, lost, wrong } = await loading;
      report(`a worker ended at ${LINK_RATE} queries/s by XDP: ${lost} of ${sent} lost (at most ${BATCH})`);
      expect(node.output).toContain('"wasServing":true');
      expect(wrong).toBe(0);
      expect(lost).toBeLessThanOrEqual(BATCH);
      expect(linked.taken() - before).toBeGreaterThanOrEqual(sent - BATCH);
    });

    test("hands its queues over in an upgrade under load, and loses nothing", {
      timeout: 90_000,
    }, async () => {
      const { node, link, site } = linked;
      const loading = linked.load(8);
      await sleep(1_000);
      const from = node.output.length;
      const upgrade = lab.meridian("upgrade", ["upgrade", "--config", site.folder], [], link.server);
      await upgrade.ended;
      expect(upgrade.output).toContain("has taken over");
      await node.said(/queries are taken by XDP/, 20_000, from);
      const { sent, lost, wrong } = await loading;
      report(`an upgrade at ${LINK_RATE} queries/s by XDP: ${lost} of ${sent} lost`);
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      await node.said(/API listens/, 30_000, from);
      expect(linked.taken()).toBeGreaterThan(LINK_RATE);
    });

    test("leaves the interface as it was, however it ends", async () => {
      expect(linked.shown()).toMatch(/ xdp/);
      const [pid = ""] = readFileSync(join(linked.site.folder, "var/pid"), "utf8").split("\n");
      process.kill(Number(pid), "SIGKILL");
      await until("the program has gone", () => !/ xdp/.test(linked.shown()));
    });
  },
);

describe.skipIf(!isPossible)(
  "a node at an interface of two queues whose driver knows nothing of XDP (needs CAP_NET_ADMIN, CAP_BPF, ip and cc)",
  () => {
    const lab = useLab();
    let linked: LinkedNode;

    beforeAll(async () => {
      const options = { queues: 2, mtu: 9_000 };
      linked = await LinkedNode.start(lab, QNAME, OTHER_PORT, [`xdp: [${INTERFACE}]`], options);
    });

    afterAll(() => linked.link.remove());

    test("takes queries all the same, and each of its two workers reads a queue", async () => {
      expect(linked.node.output).toMatch(/"mode":"generic","queues":2,"msg":"queries are taken by XDP"/);
      const before = linked.taken();
      const { sent, lost, wrong } = await linked.load(2, 16);
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      expect(linked.taken() - before).toBe(sent);
    });
  },
);
