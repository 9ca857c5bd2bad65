/** While everything changes, validators that keep answers for a second or two find every one of them secure. */

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Rcode, RRType, rrTypeCode } from "../../src/wire/codes.ts";
import { decodeMessage, encodeQuestion, Flag, wireName } from "../conformance/message.ts";
import { Client } from "../conformance/peers.ts";
import { has, report, until, useLab } from "./harness.ts";
import { call, layOut, type Meridian, type Site, startMeridian } from "./site.ts";
import { anchorOf, delv, type Resolver, startNamed, startUnbound } from "./validators.ts";

/** Added to the demo's zone, for the sorts of answers that it lacks. */
const MORE = `
outside   CNAME  www
*.wild    A      192.0.2.63
x.y.ent   TXT    "below an empty non-terminal"
secure    NS     ns.secure
secure    DS     12345 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.secure A      192.0.2.61
insecure  NS     ns.insecure
ns.insecure A    192.0.2.62
late      NS     ns1
`;

/** A zone below, which is not signed at first. */
const LATE = `$ORIGIN late.gslb.example.
$TTL 1
@    SOA ns1.gslb.example. hostmaster 1 1h 15m 2w 1
@    NS  ns1.gslb.example.
www  A   192.0.2.70
*.w  A   192.0.2.71
`;

/** Positive, NODATA, NXDOMAIN, wildcard, CNAME, delegations, and each way to steer. */
const SECURE: readonly (readonly [name: string, type: string])[] = [
  ["status", "A"],
  ["status", "MX"],
  ["nobody", "A"],
  ["any.wild", "A"],
  ["any.wild", "TXT"],
  ["outside", "AAAA"],
  ["any.apps", "A"],
  ["y.ent", "A"],
  ["secure", "DS"],
  ["insecure", "DS"],
  ["www", "A"],
  ["www", "AAAA"],
  ["www", "HTTPS"],
  ["www", "TXT"],
  ["shop", "A"],
  ["canary", "A"],
  ["canary", "AAAA"],
  ["near", "A"],
  ["fast", "A"],
  ["backup", "A"],
  ["pair", "A"],
].map(([name = "", type = ""]) => [`${name}.gslb.example`, type] as const);
const LATER: readonly (readonly [name: string, type: string])[] = [
  ["www", "A"],
  ["www", "AAAA"],
  ["any.w", "A"],
  ["nobody", "A"],
].map(([name = "", type = ""]) => [`${name}.late.gslb.example`, type] as const);

const lab = useLab();
const programs = ["delv", "unbound", "named", "dig"] as const;

describe.skipIf(!programs.every(has))("a signed zone (needs delv, unbound, named and dig)", () => {
  let site: Site;
  let meridian: Meridian;
  let watch: Watch;

  beforeAll(async () => {
    const edits = [
      ["zones: [", "dnssec: { gslb.example: {} }\nzones: [zones/late.zone, "],
      ...Array.from({ length: 5 }, () => ["ttl: 5s", "ttl: 2s"] as const),
      ["interval: 3s", "interval: 1s"],
    ] as const;
    site = await layOut(lab, edits);
    const zone = join(site.folder, "zones/gslb.example.zone");
    // Caches keep nothing for longer than the changes take.
    writeFileSync(zone, readFileSync(zone, "utf8").replace("$TTL 1h", "$TTL 2").replace("2w 1m", "2w 1"));
    appendFileSync(zone, MORE);
    writeFileSync(join(site.folder, "zones/late.zone"), LATE);
    await lab.run("key", "add", "gslb.example", "--config", site.folder);
    meridian = await startMeridian(lab, site);
    await meridian.node.said(/signed ahead/);
    const anchor = anchorOf(site, "gslb.example");
    const [unbound, named] = await Promise.all([
      startUnbound(lab, site, anchor, "changes"),
      startNamed(lab, site, anchor, "changes"),
    ]);
    watch = new Watch(site, anchor, unbound, named);
  });
  afterAll(() => watch.stop());

  test("of which a weight changes, and a region drains and comes back", async () => {
    const { token } = meridian;
    const override = (body: object): Promise<unknown> =>
      call(site, token, "/v1/overrides", { reason: "test", ...body });
    await override({ kind: "weight", target: { choice: "canary/new" }, weight: 100 });
    await sleep(1_500);
    await override({ kind: "drain", target: { region: "us-east" } });
    await sleep(1_500);
    await call(site, token, "/v1/overrides/drain%3Aregion%3Aus-east", undefined, "DELETE");
    await sleep(500);
    watch.mustBeClean();
  });

  test("of which a region fails", async () => {
    await meridian.regions["us-east"].end("SIGKILL");
    await meridian.node.said(/us-east down/);
    await sleep(1_500);
    watch.mustBeClean();
  });

  test("of which the TTLs are lowered, and zone and node are read again", async () => {
    const from = meridian.node.output.length;
    edit(site, "zones/gslb.example.zone", (text) => text.replace("$TTL 2", "$TTL 1"));
    edit(site, "meridian.yaml", (text) => text.replaceAll("ttl: 2s", "ttl: 1s"));
    await meridian.node.said(/is in force/, 10_000, from);
    await sleep(1_500);
    watch.mustBeClean();
  });

  test("below which another zone is signed, and gets its DS", async () => {
    watch.add(LATER);
    await sleep(500);
    edit(site, "meridian.yaml", (text) =>
      text.replace("gslb.example: {}", "gslb.example: {}, late.gslb.example: {}"),
    );
    const ds = await lab.run("key", "add", "late.gslb.example", "--config", site.folder);
    const own = anchorOf(site, "late.gslb.example");
    await until("the zone is signed", () => validates(own, "any.w.late.gslb.example", "A"));
    await sleep(1_500);
    watch.mustBeClean();
    edit(site, "zones/gslb.example.zone", (text) => `${text}\n${ds}`);
    const parents = anchorOf(site, "gslb.example");
    await until("the DS is there", () => validates(parents, "late.gslb.example", "DS", /DS \d+ 13 2/));
    // What says that there is no DS lasts for a second, what is insecure by it for one more, and resolvers round up.
    await sleep(3_500);
    watch.demandSecure();
    await sleep(1_000);
    watch.mustBeClean();
  });

  test("whose node is replaced by a new process, which has its signatures before it answers", async () => {
    const from = meridian.node.output.length;
    const upgraded = await lab.run("upgrade", "--config", site.folder);
    expect(upgraded).toContain("has taken over");
    const lines = meridian.node.output.slice(from).split("\n");
    const at = (text: string): number => lines.findIndex((line) => line.includes(text));
    expect(at("signed ahead")).toBeGreaterThan(-1);
    expect(at("signed ahead")).toBeLessThan(at("dns answers"));
    await sleep(500);
    watch.mustBeClean();
    report(await watch.stop());
    watch.mustBeClean();
  });

  /** Whether delv has validated an answer, and its text matches. */
  async function validates(anchor: string, name: string, type: string, text = /./): Promise<boolean> {
    const said = await delv(lab, site, anchor, name, type);
    return said.includes("; fully validated") && text.test(said);
  }
});

function edit(site: Site, file: string, change: (text: string) => string): void {
  const path = join(site.folder, file);
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

type Question = readonly [name: string, type: string];

/** Asks all validators all questions, over and over, and remembers what was not as it must be. */
class Watch {
  readonly #site: Site;
  readonly #anchor: string;
  readonly #clients: readonly (readonly [name: string, client: Client])[];
  readonly #questions: Question[] = [...SECURE];
  /** Questions whose answers may be insecure. */
  readonly #insecure = new Set<Question>();
  readonly #faults: string[] = [];
  readonly #counts = { unbound: 0, named: 0, delv: 0 };
  readonly #addresses = new Set<string>();
  #isStopping = false;
  readonly #ended: Promise<unknown>;

  constructor(site: Site, anchor: string, unbound: Resolver, named: Resolver) {
    this.#site = site;
    this.#anchor = anchor;
    this.#clients = [
      ["unbound", new Client(unbound.port)],
      ["named", new Client(named.port)],
    ];
    this.#ended = Promise.all([this.#askResolvers(), this.#askDelv()]);
  }

  /** Asks these too, which may be insecure until `demandSecure`. */
  add(questions: readonly Question[]): void {
    for (const question of questions) this.#insecure.add(question);
    this.#questions.push(...questions);
  }

  demandSecure(): void {
    this.#insecure.clear();
  }

  mustBeClean(): void {
    expect(this.#faults).toEqual([]);
  }

  async stop(): Promise<string> {
    this.#isStopping = true;
    await this.#ended;
    const { unbound, named, delv } = this.#counts;
    return `${unbound} answers secure to unbound, ${named} to BIND, ${delv} to delv, with ${this.#addresses.size} addresses; none bogus`;
  }

  async #askResolvers(): Promise<void> {
    while (!this.#isStopping) {
      for (const [resolver, client] of this.#clients) {
        const asked = [...this.#questions];
        const insecure = new Set(this.#insecure);
        const replies = await client.exchange(asked.map(queryOf), 5_000);
        for (const [i, question] of asked.entries()) {
          // On a busy machine a resolver may wait for its own retries; stubs ask again.
          const [reply] = replies[i] ? [replies[i]] : await client.exchange([queryOf(question)], 10_000);
          this.#judge(resolver, question, reply ?? null, insecure.has(question));
        }
      }
      await sleep(20);
    }
    for (const [, client] of this.#clients) client.close();
  }

  #judge(resolver: string, question: Question, reply: Buffer | null, mayBeInsecure: boolean): void {
    const message = reply === null ? null : decodeMessage(reply);
    const isAnswered =
      message !== null && (message.rcode === Rcode.NoError || message.rcode === Rcode.NXDomain);
    const isSecure = message !== null && (message.flags & Flag.AD) !== 0;
    if (!isAnswered || (!isSecure && !mayBeInsecure))
      this.#faults.push(
        `${resolver}: ${question.join(" ")}: ${message === null ? "no reply" : `RCODE ${message.rcode}`}`,
      );
    else if (isSecure) this.#counts[resolver === "unbound" ? "unbound" : "named"] += 1;
    for (const { type, rdata } of message?.answers ?? [])
      if (type === RRType.A || type === RRType.AAAA) this.#addresses.add(rdata);
  }

  async #askDelv(): Promise<void> {
    for (let i = 0; !this.#isStopping; i += 1) {
      const [name, type] = SECURE[i % SECURE.length] ?? ["", ""];
      const said = await delv(lab, this.#site, this.#anchor, name, type);
      if (said.includes("fully validated")) this.#counts.delv += 1;
      else this.#faults.push(`delv: ${name} ${type}: ${said}`);
    }
  }
}

/** A query of a client that wants to know what a resolver has validated. */
function queryOf([name, type]: Question): Uint8Array {
  return encodeQuestion(wireName(`${name}.`), rrTypeCode(type) ?? 0, {
    flags: Flag.RD,
    size: 1232,
    dnssecOk: true,
  });
}
