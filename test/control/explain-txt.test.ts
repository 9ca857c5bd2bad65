/** Explanations by DNS: what the strings of the TXT say. */

import { describe, expect, test } from "vitest";
import { explainTxt } from "../../src/control/explain-txt.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { queryOf } from "../answer/harness.ts";
import { CONFIG, Folder, GB, Node, US } from "./test-node.ts";

const WWW = "www.test.example";

describe("the TXT at _explain", () => {
  test("says what the client gets, by which rules, and what would change it", async () => {
    const node = await new Node().open();
    expect(stringsOf(node, `_explain.${WWW}`, GB)).toEqual([
      "www.test.example. for 192.0.2.1, ECS scope /24, TTL 5 s",
      "location EU GB 53,-1.5",
      "class first(web/eu-west web/us-east)",
      "A 10.0.0.2, web/eu-west in eu-west: 100 % of answers",
      "by geo > continent EU > failover eu-first > choice 1 > web/eu-west",
      "up for 0s (assumed: 0 of 1 votes needed)",
      "it would be web/us-east if web/eu-west were down",
      "AAAA 2001:db8::2, web/eu-west in eu-west: 100 % of answers",
      "by geo > continent EU > failover eu-first > choice 1 > web/eu-west",
      "up for 0s (assumed: 0 of 1 votes needed)",
      "it would be web/us-east if web/eu-west were down",
    ]);
  });

  test("is for the subnet that the query stands for", async () => {
    const node = await new Node().open();
    const [head, , , a] = stringsOf(node, `_explain.${WWW}`, US, "192.0.2.0/24");
    expect([head, a]).toEqual([
      "www.test.example. for 192.0.2.0/24, ECS scope /24, TTL 5 s",
      "A 10.0.0.2, web/eu-west in eu-west: 100 % of answers",
    ]);
    const [withheld] = stringsOf(node, `_explain.${WWW}`, US, "0.0.0.0/0");
    expect(withheld).toContain(`for ${US},`);
    const [ipv6] = stringsOf(node, `_explain.${WWW}`, US, "2001:db8::/56");
    expect(ipv6).toContain("for 2001:db8::/56,");
  });

  test("names the VIP that dns gives in this second", async () => {
    const node = await new Node().open();
    for (let second = 0; second < 10; second += 1) {
      const moment = Math.trunc(node.nowMs / 1000);
      const [answer] = node.dns.answers("mix.test.example", GB, "A", moment);
      const address = answer?.type === "A" ? answer.data : "none";
      expect(stringsOf(node, "_explain.mix.test.example", GB)[3]).toContain(`A ${address}, `);
      node.pass(1_000);
    }
  });

  test("says which bucket the client is in where something is sticky", async () => {
    const config = `${CONFIG}  cart.test.example: { ttl: 5s, policy: { sticky: mix } }\n`;
    const node = await new Node(new Folder({ "meridian.yaml": config })).open();
    const strings = stringsOf(node, "_explain.cart.test.example", GB);
    expect(strings.filter((string) => /^bucket \d+ of 251$/.test(string))).toHaveLength(2);
    expect(strings[3]).toContain(`A ${node.dns.addresses("cart.test.example", GB).join()}, `);
  });

  test("says what comes with it where something is spread", async () => {
    const config = `${CONFIG}  pair.test.example: { ttl: 5s, policy: { spread: { of: mix, count: 2 } } }\n`;
    const node = await new Node(new Folder({ "meridian.yaml": config })).open();
    const strings = stringsOf(node, "_explain.pair.test.example", GB);
    const [first, second] = strings[3]!.includes("web/eu-west")
      ? ["eu-west", "us-east"]
      : ["us-east", "eu-west"];
    expect(strings[3]).toContain(`web/${first} in ${first}: 50 % of answers`);
    expect(strings[4]).toBe(`then web/${second}`);
  });

  test("is not there for what is not steered, nor for a query that cannot be read", async () => {
    const node = await new Node().open();
    const source = parseAddress(GB)!.bytes;
    expect(explainTxt(queryOf("_explain.ns1.test.example", "TXT"), source, node.desk)).toBeNull();
    expect(explainTxt(queryOf("", "TXT"), source, node.desk)).toBeNull();
    expect(explainTxt(new Uint8Array(12), source, node.desk)).toBeNull();
    expect(explainTxt(new Uint8Array(3), source, node.desk)).toBeNull();
  });
});

function stringsOf(node: Node, qname: string, source: string, subnet?: string): readonly string[] {
  const query = queryOf(qname, "TXT", subnet === undefined ? {} : { subnet });
  const rdata = explainTxt(query, parseAddress(source)!.bytes, node.desk);
  if (rdata === null) throw new Error(`nothing at ${qname}`);
  const strings: string[] = [];
  for (let at = 0; at < rdata.length; at += 1 + rdata[at]!) {
    strings.push(Buffer.from(rdata.subarray(at + 1, at + 1 + rdata[at]!)).toString());
  }
  return strings;
}
