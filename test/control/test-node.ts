/** A folder with real files, a dns that really adopts books and answers from them, and a clock that tests move. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Answer, decode, encode, type Packet } from "dns-packet";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { Client } from "../../src/answer/client.ts";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import { createResponder, type Responder } from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { type Challenges, compileChallenges } from "../../src/book/challenges.ts";
import type { ToDns, ToPublisher } from "../../src/book/messages.ts";
import type { ChangeOutcome, Edit } from "../../src/control/change.ts";
import type { NodeDesk } from "../../src/control/node-desk.ts";
import { openDesk } from "../../src/control/open-desk.ts";
import { Publisher } from "../../src/control/publish.ts";
import type { TokenGrant, TokenRecord } from "../../src/control/store.ts";
import { BookHost } from "../../src/serve/book-host.ts";
import { SigningHost } from "../../src/serve/signing-host.ts";
import { counterRow, newCounters, sumCounters } from "../../src/telemetry/counters.ts";
import { drainSamples, newSampleRings, sampleRing } from "../../src/telemetry/samples.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { Packet as Message } from "../../src/wire/packet.ts";
import { writeMmdb } from "../geo/mmdb-file.ts";
import { StreamServer, type TestAgent } from "./test-agent.ts";

/** Clients by country. */
export const GB = "192.0.2.1";
export const JP = "198.51.100.1";
export const US = "203.0.113.1";

/** Two regions and two vantages; `www` by continent, `mix` by weight, `near` by a choice written in place. */
export const CONFIG = `
node: { listen: ["127.0.0.1:0"], api: { listen: "127.0.0.1:0" }, state: state }
geo: { database: geo.mmdb, labels: [labels.csv] }
zones: [test.example.zone]
regions:
  us-east: { at: [38.9, -77.4] }
  eu-west: { at: [53.3, -6.3] }
vantages:
  dublin: { at: [53.3, -6.3] }
  virginia: { at: [38.9, -77.4] }
  tokyo: { at: [35.7, 139.7] }
checks:
  web: { type: http, port: 80, path: /, interval: 3s, timeout: 1s, recheck: 1s, rise: 2, fall: 2, slowStart: 0s }
pools:
  web:
    check: web
    members:
      us-east: { ipv4: 10.0.0.1, ipv6: "2001:db8::1", probe: ipv4 }
      eu-west: { ipv4: 10.0.0.2, ipv6: "2001:db8::2", probe: ipv4 }
policies:
  us-first: { failover: [web/us-east, web/eu-west] }
  eu-first: { failover: [web/eu-west, web/us-east] }
  mix:
    weighted:
      new: { weight: 50, use: web/us-east }
      old: { weight: 50, use: web/eu-west }
services:
  www.test.example:
    ttl: 5s
    policy: { geo: { continents: { EU: eu-first }, default: us-first } }
  mix.test.example: { ttl: 5s, policy: mix }
  near.test.example:
    ttl: 5s
    policy: { weighted: { here: { weight: 1, use: web/eu-west }, there: { weight: 1, use: web/us-east } } }
`;

export const ZONE = `
$TTL 300
@     SOA ns1 hostmaster 1 3600 600 86400 60
@     NS  ns1
ns1   A   192.0.2.53
shop  STEER www
`;

/** A temporary folder of an operator, removed with the test. */
export class Folder {
  readonly path: string = mkdtempSync(join(tmpdir(), "meridian-control-"));

  constructor(files: Readonly<Record<string, string | Uint8Array>> = {}) {
    onTestFinished(() => rmSync(this.path, { recursive: true, force: true }));
    mkdirSync(join(this.path, "state"));
    this.write("meridian.yaml", CONFIG);
    this.write("test.example.zone", ZONE);
    this.write("labels.csv", "");
    this.write("geo.mmdb", GEO);
    for (const [name, content] of Object.entries(files)) this.write(name, content);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Uint8Array): void {
    writeFileSync(this.file(name), content);
  }
}

const GEO: Uint8Array = writeMmdb({
  recordSize: 24,
  ipVersion: 6,
  records: {
    "192.0.2.0/24": { country: { iso_code: "GB" } },
    "198.51.100.0/24": { country: { iso_code: "JP" } },
    "203.0.113.0/24": { country: { iso_code: "US" } },
  },
});

/** What hashes of tokens cost here: a test makes many. */
const CHEAP = 4;

/** The dns side of a node, without sockets: the real book host and the real answers. */
export class Dns {
  readonly messages: ToDns[] = [];
  readonly host: BookHost;
  /** What dns sends to control. */
  tell: (message: ToPublisher) => void = () => undefined;
  /** Refuses every book for this reason; null: takes what is sound. */
  refusal: string | null = null;
  readonly #counters = newCounters(1);
  readonly #samples = newSampleRings(1);
  readonly #responder: Responder = createResponder(
    null,
    counterRow(this.#counters, 0),
    defaultAnswerOptions,
    sampleRing(this.#samples, 0),
  );

  /** Keys are read from the state folder; without signed zones it is never looked into. */
  constructor(stateFolder = "/nonexistent") {
    this.host = new BookHost(new SigningHost(stateFolder), {
      book: async (book) => this.#responder.adopt(book),
      challenges: () => {},
    });
  }

  readonly receive = (message: ToDns): void => {
    this.messages.push(message);
    switch (message.kind) {
      case "adopt": {
        void this.#adopt(message.version, message.path);
        break;
      }
      case "patch":
        this.host.patch(message.version, message.packed);
        break;
      case "counters": {
        const { request } = message;
        setImmediate(() => this.tell({ kind: "counters", request, values: sumCounters(this.#counters) }));
        break;
      }
      case "samples": {
        const { request } = message;
        setImmediate(() => this.tell({ kind: "samples", request, ...drainSamples(this.#samples) }));
        break;
      }
      case "room": // Of workers, of which there are none here.
        break;
      case "due": // For the time when control is away.
        break;
      case "challenges":
        this.adoptChallenges(message.challenges);
        break;
      case "reply": // Asked for by tests of `Requests` alone.
      case "explanation":
        break;
      case "saved":
      case "ready": // The process says it, not the desk that is tested here.
        break;
    }
  };

  /** That each ends by itself is tested elsewhere: here they last until control says otherwise. */
  adoptChallenges(challenges: Challenges | null): void {
    const book = challenges === null ? null : compileChallenges(challenges, 0).bytes;
    const memory = book === null ? null : new SharedArrayBuffer(book.length);
    if (memory !== null && book !== null) new Uint8Array(memory).set(book);
    this.#responder.adoptChallenges(memory === null ? null : { memory, signing: null });
  }

  async #adopt(version: number, path: string): Promise<void> {
    const adoption =
      this.refusal === null
        ? await this.host.adopt(path)
        : { kind: "refused" as const, reason: this.refusal };
    this.tell(adoption.kind === "refused" ? { kind: "refused", version, reason: adoption.reason } : adoption);
  }

  /** How many messages of a kind came in. */
  count(kind: ToDns["kind"]): number {
    return this.messages.filter((message) => message.kind === kind).length;
  }

  /** The addresses that a client gets for a name, over many moments. */
  addresses(qname: string, address: string, type: "A" | "AAAA" = "A"): readonly string[] {
    const found = new Set<string>();
    for (let moment = 0; moment < 100; moment += 1) {
      for (const answer of this.answers(qname, address, type, moment)) {
        if (answer.type === type) found.add(answer.data);
      }
    }
    return [...found].sort();
  }

  answers(qname: string, address: string, type: "A" | "AAAA" | "TXT", moment: number): readonly Answer[] {
    return this.ask(qname, address, type, moment).answers ?? [];
  }

  ask(qname: string, address: string, type: "A" | "AAAA" | "TXT", moment: number): Packet {
    const query = encode({ type: "query", id: 1, questions: [{ type, name: qname }] });
    const packet = new Message(new Uint8Array(65_536));
    packet.octets.set(query);
    const client = new Client();
    const parsed = parseAddress(address);
    if (parsed === null) throw new Error(`no address: ${address}`);
    client.family = parsed.family;
    client.address.set(parsed.bytes);
    const length = this.#responder.answer(packet, query.length, client, Transport.Tcp, moment);
    return decode(Buffer.from(packet.octets.subarray(0, length)));
  }
}

/** A node's control, run in the test's own process. */
export class Node {
  readonly folder: Folder;
  readonly dns: Dns;
  readonly logged: { readonly level: number; readonly msg: string }[] = [];
  readonly publisher: Publisher;
  nowMs: number = Date.parse("2026-01-01T00:00:00Z");
  /** By how much the clock was set. */
  #jumpMs = 0;
  #desk: NodeDesk | null = null;

  /** With the dns of an earlier node, this one is its control after a restart. */
  constructor(folder: Folder = new Folder(), dns: Dns = new Dns()) {
    this.folder = folder;
    this.dns = dns;
    this.publisher = new Publisher({
      folder: folder.file("state"),
      send: dns.receive,
      onError: (error) => {
        throw error;
      },
      rewriteMs: 20,
    });
    dns.tell = (message) => this.publisher.receive(message);
  }

  get desk(): NodeDesk {
    if (this.#desk === null) throw new Error("the node is not open");
    return this.#desk;
  }

  async open(): Promise<this> {
    const opening = openDesk({
      configFolder: this.folder.path,
      stateFolder: this.folder.file("state"),
      publisher: this.publisher,
      nowMs: () => this.nowMs,
      elapsedMs: () => this.nowMs - this.#jumpMs,
      tokenCost: CHEAP,
      log: pino({ level: "debug" }, { write: (line) => void this.logged.push(JSON.parse(line)) }),
    });
    this.dns.tell({ kind: "hello", version: this.dns.host.version });
    this.#desk = await opening;
    onTestFinished(() => this.close());
    return this;
  }

  async close(): Promise<void> {
    await this.#desk?.close();
    this.#desk = null;
  }

  /** Moves the clock and lets the desk see it. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.desk.tick();
  }

  /** Sets the clock, while no time passes. */
  jump(ms: number): void {
    this.#jumpMs += ms;
    this.pass(ms);
  }

  change(edit: Edit, ifVersion: number | null = null): Promise<ChangeOutcome> {
    return this.desk.change({ author: "anna", reason: "a test", edit, ifVersion });
  }

  /** Makes a token, and returns its secret; nothing where there is one of this name, as after a restart. */
  async addToken(name: string, grant: TokenGrant, expiresMs: number | null = null): Promise<string> {
    return (await this.desk.addToken({ name, grant, expiresMs }, "a test")) ?? "";
  }

  /** The record of a token. */
  token(name: string): TokenRecord {
    const found = this.desk.tokens().find((token) => token.name === name);
    if (found === undefined) throw new Error(`there is no token ${name}`);
    return found;
  }

  /** Connects an agent for each vantage, whose reports come in at the clock's time. */
  async agents<Vantage extends string>(
    ...vantages: Vantage[]
  ): Promise<Readonly<Record<Vantage, TestAgent>>> {
    const server = await StreamServer.open((socket, { name }) =>
      this.desk.acceptAgent(socket, this.token(name)),
    );
    const connected: [Vantage, TestAgent][] = [];
    for (const vantage of vantages) {
      await this.addToken(`agent-${vantage}`, { role: "agent", vantage });
      const agent = await server.connect(vantage);
      await agent.greet(vantage);
      connected.push([vantage, agent]);
    }
    return Object.fromEntries(connected) as Record<Vantage, TestAgent>;
  }

  /** The log lines that a pattern finds. */
  lines(pattern: RegExp): readonly string[] {
    return this.logged.map(({ msg }) => msg).filter((msg) => pattern.test(msg));
  }
}

/** Waits until something is true, for what other processes and timers do in their own time. */
export async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}
