/**
 * A node rolls its key, then its algorithm, below a parent that Knot signs, while unbound and delv validate: every answer from
 * the first to the last is secure. TTLs are of a second, so that caches forget as fast as they learn. A step that nobody has to end lasts for
 * `PROPAGATION_MS` at least: so long may this process, and unbound, wait for the processor without missing it.
 */

import type { RemoteInfo, Socket } from "node:dgram";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AUTHENTIC_DATA, decode, encode, RECURSION_DESIRED, type RecordType } from "dns-packet";
import { describe, expect, onTestFinished, test } from "vitest";
import { FileReader } from "../../src/control/files.ts";
import { writeKeyState } from "../../src/control/key-state.ts";
import { readKeys } from "../../src/control/keys.ts";
import { settled } from "../../src/dnssec/rollover.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import { freePort, has, PATIENCE, type Program, report, until, useLab } from "./harness.ts";
import { addToken, call, layOut, type Site, startNode } from "./site.ts";

const PROPAGATION_MS = 1_000;
const programs = ["knotd", "knotc", "unbound", "delv", "dig"];
const lab = useLab();

/** What is asked all the time: steered, static, an alias from a wildcard, denials and the apex. */
const QUESTIONS = [
  ["www.gslb.example", "A"],
  ["status.gslb.example", "AAAA"],
  ["any.apps.gslb.example", "A"],
  ["status.gslb.example", "MX"],
  ["gslb.example", "SOA"],
  ["gslb.example", "DNSKEY"],
  ["gslb.example", "CDS"],
] as const;

type Tags = readonly (number | undefined)[];

interface Keys {
  readonly keys: readonly { readonly tag: number; readonly published: boolean; readonly inCds: boolean }[];
  readonly rollover: {
    readonly step: string;
    readonly from: readonly number[];
    readonly to: readonly number[];
    readonly servedSince: string | null;
    readonly why: string;
  } | null;
}

describe.skipIf(!programs.every(has))(`rollovers (need ${programs.join(", ")})`, () => {
  test("unbound and delv find every answer secure through a key and an algorithm rollover (RFC 6840 §5.11)", async () => {
    const parent = await Parent.start();
    const rollover = `{ by: dns1, propagation: ${PROPAGATION_MS}ms, lookEvery: 1s, parent: ["127.0.0.1:${parent.port}"] }`;
    const zone = (algorithm: string): string =>
      `dnssec: { gslb.example: { algorithm: ${algorithm}, keyTtl: 1s, rollover: ${rollover} } }`;
    const edits: [string, string][] = [
      ["node:\n", "node:\n  name: dns1\n"],
      ["zones:", `${zone("ecdsap256sha256")}\nzones:`],
      ...Array.from({ length: 5 }, (): [string, string] => ["ttl: 5s", "ttl: 1s"]),
    ];
    const site = await layOut(lab, edits);
    const zoneFile = join(site.folder, "zones/gslb.example.zone");
    const text = readFileSync(zoneFile, "utf8").replace("$TTL 1h", "$TTL 1").replace("2w 1m", "2w 1");
    writeFileSync(zoneFile, text);
    await lab.run("key", "add", "gslb.example", "--config", site.folder);
    const reader = await addToken(lab, site, "reader", "reader");
    const node = await startNode(lab, site);
    const stage = new Stage(site, reader);
    await parent.setDs(await stage.cds());
    const resolver = await startUnbound(site, parent);
    const validators = new Validators(resolver, parent.anchor);
    await until("the zone is secure", () => validators.isSecure("gslb.example", "SOA"));
    await until("the node has a state", async () => (await stage.keys()).rollover !== null);
    const watched = validators.watch();
    onTestFinished(() => watched.stop().then(() => undefined));

    expect(await lab.run("key", "roll", "gslb.example", "--config", site.folder)).toMatch(/step publish/);
    const [first] = await stage.tags();
    const second = (await stage.at("publish")).to[0];
    await stage.mustHave({ DNSKEY: [first, second], SOA: [first] }, [first]);
    await stage.at("submit");
    await stage.mustHave({}, [second]);
    await until("it waits for the DS", async () =>
      /has the DS of/.test((await stage.keys()).rollover?.why ?? ""),
    );
    expect(await lab.run("key", "list", "--config", site.folder)).toMatch(
      new RegExp(`gslb.example: submit, next retire, by dns1: .*: 127.0.0.1 has the DS of ${first}\n`),
    );
    await parent.setDs(await stage.cds());
    await stage.at("retire");
    await stage.mustHave({ SOA: [second], CDS: [first, second] });
    await stage.at("remove");
    await stage.mustHave({ DNSKEY: [second] });
    await stage.at("idle");

    const config = join(site.folder, "meridian.yaml");
    writeFileSync(config, readFileSync(config, "utf8").replace(zone("ecdsap256sha256"), zone("ed25519")));
    const third = (await stage.at("sign")).to[0];
    await stage.mustHave({ DNSKEY: [second], SOA: [second, third] });
    await stage.at("publish");
    await stage.mustHave({ DNSKEY: [second, third] });
    await stage.at("submit");
    await stage.mustHave({}, [third]);
    await parent.setDs(await stage.cds());
    await stage.at("withdraw");
    await stage.mustHave({ DNSKEY: [third], SOA: [second, third] });
    await stage.at("remove");
    await stage.mustHave({ SOA: [third] });
    await stage.at("idle");
    expect(await stage.tags()).toEqual([third]);

    const { asked, insecure, validated } = await watched.stop();
    report(`${asked} answers of unbound, ${validated} of delv, ${insecure.length} not secure`);
    expect(insecure).toEqual([]);
    expect(asked).toBeGreaterThan(500);
    expect(validated).toBeGreaterThan(5);
    await node.end("SIGTERM");
  }, 240_000);
});

test("the commands say what they did, or why not", async () => {
  const named: [string, string] = ["node:\n", "node:\n  name: dns1\n"];
  const signed: [string, string] = ["zones:", "dnssec: { gslb.example: { rollover: { by: dns1 } } }\nzones:"];
  const site = await layOut(lab, [named, signed], "commands");
  const key = (...args: readonly string[]): Promise<string> =>
    lab.run("key", ...args, "--config", site.folder);
  await key("add", "gslb.example");
  expect(await key("add", "gslb.example")).toMatch(
    /are rolled: "meridian key roll gslb.example" makes the next one/,
  );
  expect(await key("roll", "gslb.example")).toMatch(/has no state of its keys yet: start the node/);
  const apex = nameOf("gslb.example.");
  const stateFolder = join(site.folder, "var");
  const { keys } = readKeys(stateFolder, apex, new FileReader());
  writeKeyState(stateFolder, apex, settled("dns1", keys, Date.now()));
  const old = keys[0]?.tag;
  expect(await key("roll", "gslb.example")).toMatch(
    new RegExp(`step publish of the key rollover ${old} -> \\d+\n$`),
  );
  expect(await key("roll", "gslb.example")).toMatch(/is in step publish .*: wait for its end, or cancel it/);
  expect(await key("remove", "gslb.example", String(old))).toMatch(/is in use: step publish/);
  expect(await key("seen", "gslb.example", String(old))).toMatch(/does not wait for a DS: step publish/);
  expect(await key("list")).toMatch(
    new RegExp(
      `^${old}\tecdsap256sha256\tgslb.example.\tgoes$[^]*^gslb.example: publish, next submit, by dns1: `,
      "m",
    ),
  );
  expect(await lab.run("ds", "gslb.example", "--config", site.folder)).toMatch(
    new RegExp(`^gslb.example. IN DS ${old} [^\n]*\n$`),
  );
  expect(await key("cancel", "gslb.example")).toMatch(
    new RegExp(`step remove of the key rollover \\d+ -> ${old}\n$`),
  );
  const config = join(site.folder, "meridian.yaml");
  writeFileSync(config, readFileSync(config, "utf8").replace("by: dns1", "by: dns2"));
  expect(await key("cancel", "gslb.example")).toMatch(/are rolled by the node dns2, and this is dns1/);
}, 120_000);

/** The zone above, signed by Knot. */
class Parent {
  readonly port: number;
  /** DNSKEY of the zone, which validators trust. */
  readonly anchor: string;
  readonly #folder: string;

  private constructor(port: number, folder: string, anchor: string) {
    this.port = port;
    this.#folder = folder;
    this.anchor = anchor;
  }

  static async start(): Promise<Parent> {
    const port = await freePort();
    const folder = join(lab.folder, "parent");
    mkdirSync(folder);
    writeFileSync(
      join(folder, "zone"),
      `$ORIGIN example.\n$TTL 1\n@ SOA ns h 1 3600 900 604800 1\n@ NS ns\nns A 127.0.0.1\ngslb NS ns1.gslb\nns1.gslb A 127.0.0.1\n`,
    );
    writeFileSync(
      join(folder, "knot.conf"),
      `server:
    listen: 127.0.0.1@${port}
    rundir: ${folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: ${folder}/knot.sock
database:
    storage: ${folder}
policy:
  - id: fast
    single-type-signing: on
    dnskey-ttl: 1
    zone-max-ttl: 1
    nsec3: off
zone:
  - domain: example.
    file: ${folder}/zone
    dnssec-signing: on
    dnssec-policy: fast
`,
    );
    const knot = lab.start("knotd", "knotd", ["-c", join(folder, "knot.conf")]);
    const ask = (): Promise<string> =>
      run("dig", "@127.0.0.1", "-p", String(port), "+short", "example", "DNSKEY");
    let dnskey = "";
    await until("Knot has signed the parent", async () => {
      dnskey = await ask();
      return dnskey.startsWith("257 3 ") || knot.hasEnded;
    });
    return new Parent(port, folder, `example. IN DNSKEY ${dnskey.trim().replace(/(\S+) (\S+)$/, "$1$2")}`);
  }

  /** Replaces the DS RRset of the zone below. */
  async setDs(texts: readonly string[]): Promise<void> {
    const knotc = (...args: readonly string[]): Promise<string> =>
      run("knotc", "-s", join(this.#folder, "knot.sock"), ...args);
    await knotc("zone-begin", "example");
    await knotc("zone-unset", "example", "gslb", "DS");
    for (const text of texts) await knotc("zone-set", "example", "gslb", "1", "DS", ...text.split(" "));
    await knotc("zone-commit", "example");
    const has = (): Promise<string> =>
      run("dig", "@127.0.0.1", "-p", String(this.port), "+short", "gslb.example", "DS");
    await until("the parent has the DS", async () => (await has()).startsWith(texts[0]?.split(" ")[0] ?? ""));
  }
}

/** The node, as its operator and its parent look at it. */
class Stage {
  readonly #site: Site;
  readonly #token: string;

  constructor(site: Site, token: string) {
    this.#site = site;
    this.#token = token;
  }

  async keys(): Promise<Keys> {
    const { zones } = await call<{ zones: readonly Keys[] }>(this.#site, this.#token, "/v1/keys");
    if (zones[0] === undefined) throw new Error("the API has no signed zone");
    return zones[0];
  }

  async tags(): Promise<readonly number[]> {
    return (await this.keys()).keys.map(({ tag }) => tag);
  }

  /** Waits until dns serves a step. */
  async at(step: string): Promise<NonNullable<Keys["rollover"]>> {
    let found: Keys["rollover"] = null;
    await until(
      `dns serves step ${step}`,
      async () => {
        await sleep(50);
        ({ rollover: found } = await this.keys());
        return found?.step === step && found.servedSince !== null;
      },
      30_000 * PATIENCE,
    );
    if (found === null) throw new Error("the keys are not rolled");
    return found;
  }

  /** Expects the keys of signatures at the apex by type, and those of CDS: all at once, for the step does not wait. */
  async mustHave(signers: Readonly<Record<string, Tags>>, cds: Tags | null = null): Promise<void> {
    const types = Object.keys(signers);
    const [found, asked] = await Promise.all([
      Promise.all(types.map((type) => this.#signers(type))),
      cds === null ? null : this.#cdsTags(),
    ]);
    const sorted = (tags: Tags): Tags => tags.toSorted();
    expect(Object.fromEntries(types.map((type, i) => [type, found[i]]))).toEqual(
      Object.fromEntries(Object.entries(signers).map(([type, tags]) => [type, sorted(tags)])),
    );
    expect(asked).toEqual(cds && sorted(cds));
  }

  async cds(): Promise<readonly string[]> {
    return (await this.#dig("+short", "gslb.example", "CDS")).trim().split("\n");
  }

  async #cdsTags(): Promise<Tags> {
    return (await this.cds()).map((text) => Number(text.split(" ")[0])).sort();
  }

  /** Tags of the keys whose signatures an RRset at the apex has. */
  async #signers(type: string): Promise<Tags> {
    const said = await this.#dig("+dnssec", "+noall", "+answer", "gslb.example", type);
    const found = said.matchAll(/RRSIG\s+\S+ \d+ \d+ \d+ \d+ \d+ (\d+) /g);
    return [...found].map(([, tag]) => Number(tag)).sort();
  }

  #dig(...question: readonly string[]): Promise<string> {
    return run("dig", "@127.0.0.1", "-p", String(this.#site.port), ...question);
  }
}

/** What watching came to. */
interface Watched {
  /** Answers of unbound. */
  readonly asked: number;
  /** Answers that delv has validated. */
  readonly validated: number;
  /** What was not secure. */
  readonly insecure: readonly string[];
}

/** unbound as a resolver, and delv behind it. */
class Validators {
  readonly #port: number;
  readonly #anchors: string;

  constructor(port: number, anchor: string) {
    this.#port = port;
    this.#anchors = join(lab.folder, "anchors");
    const [owner, , , flags, protocol, algorithm, key] = anchor.split(" ");
    writeFileSync(
      this.#anchors,
      `trust-anchors { "${owner}" static-key ${flags} ${protocol} ${algorithm} "${key}"; };\n`,
    );
  }

  /** Whether unbound sets AD. */
  async isSecure(name: string, type: string): Promise<boolean> {
    const said = await run("dig", "@127.0.0.1", "-p", String(this.#port), "+adflag", name, type);
    return /flags: [a-z ]*\bad\b/.test(said);
  }

  /** Asks both all the time until it is stopped. */
  watch(): { stop: () => Promise<Watched> } {
    const insecure: string[] = [];
    let isOver = false;
    let validated = 0;
    const delv = async (): Promise<void> => {
      while (!isOver) {
        const args = ["@127.0.0.1", "-p", String(this.#port), "-a", this.#anchors, "+root=example"];
        const said = await run("delv", ...args, "www.gslb.example", "A");
        if (said.includes("; fully validated")) validated += 1;
        else insecure.push(said);
        await sleep(500);
      }
    };
    let asked = 0;
    const unbound = async (): Promise<void> => {
      const client = new Client(await lab.socket("127.0.0.1"), this.#port);
      for (let round = 0; !isOver; round += 1) {
        const denied = [`n${round}.gslb.example`, "A"] as const;
        for (const [name, type] of [...QUESTIONS, denied]) {
          const problem = await client.problem(name, type);
          asked += 1;
          if (problem !== null) insecure.push(`${name} ${type}: ${problem}`);
        }
        await sleep(100);
      }
    };
    const done = Promise.all([delv(), unbound()]);
    return {
      stop: async () => {
        isOver = true;
        await done;
        return { asked, validated, insecure };
      },
    };
  }
}

/** Asks a resolver one question at a time. */
class Client {
  readonly #socket: Socket;
  readonly #port: number;
  #id = 0;

  constructor(socket: Socket, port: number) {
    this.#socket = socket;
    this.#port = port;
  }

  /** Why the answer is not secure; null: it is. */
  async problem(name: string, type: RecordType): Promise<string | null> {
    this.#id = (this.#id + 1) & 0xffff;
    const id = this.#id;
    const flags = RECURSION_DESIRED | AUTHENTIC_DATA;
    const query = encode({ type: "query", id, flags, questions: [{ name, type }] });
    return await new Promise((resolve) => {
      const end = (problem: string | null): void => {
        clearInterval(timer);
        this.#socket.off("message", take);
        resolve(problem);
      };
      const take = (octets: Buffer, _from: RemoteInfo): void => {
        if (octets.readUInt16BE(0) !== id) return;
        const { rcode, flag_ad: isAuthentic } = decode(octets) as unknown as {
          rcode: string;
          flag_ad: boolean;
        };
        end(
          isAuthentic && (rcode === "NOERROR" || rcode === "NXDOMAIN") ? null : `${rcode}, AD ${isAuthentic}`,
        );
      };
      // Stubs ask three times.
      let sent = 0;
      const send = (): void => {
        sent += 1;
        if (sent > 3) end("no answer");
        else this.#socket.send(query, this.#port, "127.0.0.1");
      };
      const timer = setInterval(send, 5000);
      this.#socket.on("message", take);
      send();
    });
  }
}

/** A strict one: it wants a signature by each algorithm of the DS RRset. */
async function startUnbound(site: Site, parent: Parent): Promise<number> {
  const port = await freePort();
  const file = join(lab.folder, "unbound.conf");
  writeFileSync(
    file,
    `server:
  interface: 127.0.0.1@${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${lab.folder}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor: "${parent.anchor}"
  harden-algo-downgrade: yes
  local-zone: "example." nodefault
  cache-max-negative-ttl: 1
  val-log-level: 2
stub-zone:
  name: "example"
  stub-addr: 127.0.0.1@${parent.port}
stub-zone:
  name: "gslb.example"
  stub-addr: 127.0.0.1@${site.port}
remote-control:
  control-enable: no
`,
  );
  const unbound: Program = lab.start("unbound", "unbound", ["-c", file, "-d"]);
  await unbound.said(/start of service/);
  return port;
}

async function run(command: string, ...args: readonly string[]): Promise<string> {
  const program = lab.start(command, command, args);
  await program.ended;
  return program.output;
}
