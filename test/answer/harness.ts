/** A responder over zones and services written in a test, and replies read by an independent decoder. */

import { type DecodedPacket, decode, encode, type Packet, type RecordType } from "dns-packet";
import { Client } from "../../src/answer/client.ts";
import { type AnswerOptions, defaultAnswerOptions } from "../../src/answer/options.ts";
import { createResponder, type ServedBook } from "../../src/answer/responder.ts";
import { type Round, signAhead, signPatched } from "../../src/answer/sign-ahead.ts";
import { Transport } from "../../src/answer/transport.ts";
import { inspectBook } from "../../src/book/book.ts";
import { type CompiledBook, compileBook } from "../../src/book/compile.ts";
import type { Admission, BookService, ClassPlans } from "../../src/book/content.ts";
import type { HttpsParameters, Service, Vip, VipId } from "../../src/config/config.ts";
import { SignatureTable } from "../../src/dnssec/signature-table.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import type { ClassTrie } from "../../src/geo/trie.ts";
import { bucketCount } from "../../src/steering/maglev.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { drainSamples, newSampleRings, sampleRing } from "../../src/telemetry/samples.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { type Name, nameKey, parseName } from "../../src/wire/name.ts";
import { Packet as Message } from "../../src/wire/packet.ts";
import { parseZone } from "../../src/zone/parse.ts";
import type { Zone } from "../../src/zone/zone.ts";
import { decodeMessage } from "../conformance/message.ts";

/** A zone from its text; a problem in it is the test's mistake. */
export function zoneOf(text: string): Zone {
  const { value, problems } = parseZone("test.zone", null, (path) => (path === "test.zone" ? text : null));
  if (value === null) throw new Error(JSON.stringify(problems));
  return value;
}

function nameOf(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

/** The VIP at an address; its id is the address. */
export function vipOf(text: string): Vip {
  const address = parseAddress(text);
  if (address === null) throw new Error(`no address: ${text}`);
  const id = text as VipId;
  return { id, address, judgedBy: id, port: null };
}

/** A plan from addresses with shares: `{ "192.0.2.1": 0.8, "192.0.2.2": 0.2 }`. */
export function planOf(shares: Readonly<Record<string, number>>): Plan {
  const entries = Object.entries(shares).map(([vip, share]) => ({ vip: vip as VipId, share }));
  return entries.length === 0
    ? { kind: "nodata", lastResort: false }
    : { kind: "answer", shares: entries, spreads: null, sticky: null, lastResort: false };
}

/** A service for a book, with plans by class number. */
export function serviceOf(
  name: string,
  plans: Plans,
  trie: ClassTrie | null = null,
  https: HttpsParameters | null = null,
): BookService {
  const service: Service = {
    name: nameOf(name),
    label: name,
    ttlSeconds: 5,
    ttlSecondsMin: 5,
    failoverWithinMs: null,
    policy: { kind: "failover", name: null, minUp: 0, order: [] },
    whenDown: { kind: "all" },
    https,
    place: { file: "test", line: 1, column: 1 },
  };
  const vipsOfFamily = (family: "ipv4" | "ipv6"): readonly VipId[] =>
    plans
      .flatMap((plan) => (plan[family].kind === "answer" ? plan[family].shares : []))
      .map(({ vip }) => vip);
  const reach = [...vipsOfFamily("ipv4").map((ipv4, i) => ({ ipv4, ipv6: vipsOfFamily("ipv6")[i] ?? null }))];
  const isSticky = plans
    .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
    .some((plan) => plan.kind === "answer" && plan.sticky !== null);
  const buckets = isSticky ? bucketCount(reach.length) : 0;
  const hasSpreads = plans
    .flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6])
    .some((plan) => plan.kind === "answer" && plan.spreads !== null);
  const rings = hasSpreads ? 1 : 0;
  return {
    service,
    trie,
    capacity4: 4,
    capacity6: 4,
    buckets,
    rings,
    plans: lastingFiveSeconds(plans),
    reach,
  };
}

/** With their TTL; the same array of the same plans, because services share it. */
function lastingFiveSeconds(plans: Plans): readonly ClassPlans[] {
  const known = lasting.get(plans);
  if (known !== undefined) return known;
  const made = plans.map((ofClass) => ({ ...ofClass, ttlSeconds4: 5, ttlSeconds6: 5 }));
  lasting.set(plans, made);
  return made;
}

type Plans = readonly Pick<ClassPlans, "ipv4" | "ipv6">[];
const lasting = new WeakMap<Plans, readonly ClassPlans[]>();

/** A decoded reply; the decoder sets `rcode`, though its types do not say so. */
export type Reply = DecodedPacket & { readonly rcode: string };

/** Reads a reply from the wire. */
export function readReply(octets: Uint8Array): Reply {
  return decode(Buffer.from(octets)) as Reply;
}

/** A server in this process: no socket, the same answers. */
export class Server {
  readonly compiled: CompiledBook;
  readonly memory: SharedArrayBuffer;
  served: ServedBook;
  readonly counters: Float64Array = counterRow(newCounters(1), 0);
  readonly client: Client = new Client();
  readonly options: AnswerOptions;
  readonly #packet = new Message(new Uint8Array(65_535));
  readonly #responder;

  constructor(
    zones: readonly Zone[],
    services: readonly BookService[] = [],
    vips: readonly Vip[] = [],
    options: Partial<AnswerOptions> = {},
    keys: ReadonlyMap<string, Signing> = new Map(),
    version = 1,
    samples: Uint32Array | null = null,
    admissions: readonly Admission[] = [],
  ) {
    this.compiled = compileBook({
      version,
      zones,
      signing: keys,
      services,
      vips,
      regionOf: () => 0,
      admissions,
    });
    const inspection = inspectBook(this.compiled.bytes);
    if (inspection.kind === "problem") throw new Error(inspection.message);
    this.memory = new SharedArrayBuffer(this.compiled.bytes.length);
    new Uint8Array(this.memory).set(this.compiled.bytes);
    const table = SignatureTable.create(16, [1, 2]).shared;
    const signing = { table, zones: zones.map(({ apex }) => keys.get(nameKey(apex)) ?? null) };
    this.served = { memory: this.memory, signing };
    this.options = { ...defaultAnswerOptions, ...options };
    this.#responder = createResponder(this.served, this.counters, this.options, samples);
    this.client.address.set([198, 51, 100, 7]);
  }

  /** Answers from another book, or with other signatures. */
  use(served: ServedBook): void {
    this.served = served;
    this.#responder.adopt(served);
  }

  /** Signs ahead, as the signer thread does, and answers from the table that it has then. */
  signAhead(moment: number, capacityMax?: number): Round {
    const { signing } = this.served;
    if (signing === null) throw new Error("there is nothing to sign");
    const steps = signAhead(this.served, new SignatureTable(signing.table), moment, capacityMax);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (step.value !== null)
        this.use({ ...this.served, signing: { ...signing, table: step.value.shared } });
    }
  }

  /** Signs what a patch has brought, as the signer thread does. */
  signPatched(moment: number): void {
    const { signing } = this.served;
    if (signing === null) throw new Error("there is nothing to sign");
    for (const _ of signPatched(this.served, new SignatureTable(signing.table), moment));
  }

  /** Answers raw octets; the response's octets, none for silence. Two decoders read every response to its last octet. */
  raw(query: Uint8Array, transport: Transport = Transport.Udp, moment = 1): Uint8Array {
    this.#packet.octets.set(query);
    const reply = this.#packet.octets.slice(0, this.answer(this.#packet, query.length, transport, moment));
    if (reply.length > 0) {
      decodeMessage(reply);
      readReply(reply);
    }
    return reply;
  }

  /** Starts using another book. */
  adopt(book: ServedBook): void {
    this.#responder.adopt(book);
  }

  /** Starts using a book of challenges. */
  adoptChallenges(book: ServedBook): void {
    this.#responder.adoptChallenges(book);
  }

  /** Answers in place; the result is the response's length. */
  answer(packet: Message, length: number, transport: Transport, moment: number): number {
    return this.#responder.answer(packet, length, this.client, transport, moment);
  }

  /** Answers a query that asks why, with what control says; the response's octets. */
  explain(query: Uint8Array, rdata: Uint8Array | null, transport: Transport, moment: number): Uint8Array {
    this.#packet.octets.set(query);
    const length = this.#responder.explain(this.#packet, query.length, this.client, transport, moment, rdata);
    return this.#packet.octets.slice(0, length);
  }

  /** Asks and decodes. */
  ask(name: string, type: string, options: AskOptions = {}): Reply {
    return readReply(this.raw(queryOf(name, type, options), options.transport, options.moment));
  }
}

/** A server that notes steered queries, and what it has noted since that was asked last. */
export function samplingServer(
  zones: readonly Zone[],
  services: readonly BookService[],
  vips: readonly Vip[],
  options: Partial<AnswerOptions>,
  version: number,
): { readonly server: Server; drain(): ReturnType<typeof drainSamples> } {
  const rings = newSampleRings(1);
  const server = new Server(zones, services, vips, options, new Map(), version, sampleRing(rings, 0));
  return { server, drain: () => drainSamples(rings) };
}

export interface AskOptions {
  /** ECS as `192.0.2.0/24`. */
  readonly subnet?: string;
  /** EDNS UDP payload size; without it and `subnet` the query has no EDNS. */
  readonly size?: number;
  /** Sets DO, and CO with `compact`: the query has EDNS. */
  readonly dnssec?: "ok" | "compact";
  readonly transport?: Transport;
  readonly moment?: number;
}

/** Types that the decoder knows by their numbers alone. */
const UNKNOWN: Readonly<Record<string, string>> = {
  HTTPS: "UNKNOWN_65",
  SVCB: "UNKNOWN_64",
  NXNAME: "UNKNOWN_128",
};

/** A query in wire form. */
export function queryOf(name: string, type: string, { subnet, size, dnssec }: AskOptions = {}): Uint8Array {
  const [ip = "", length] = subnet?.split("/") ?? [];
  const options =
    subnet === undefined
      ? []
      : [{ code: 8, family: ip.includes(":") ? 2 : 1, sourcePrefixLength: Number(length), ip }];
  const opt = {
    type: "OPT",
    name: ".",
    udpPayloadSize: size ?? 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: dnssec === undefined ? 0 : dnssec === "ok" ? 0x8000 : 0xc000,
    options,
  };
  const packet: Packet = {
    type: "query",
    id: 4660,
    flags: 0x0100,
    questions: [{ name, type: (UNKNOWN[type] ?? type) as RecordType, class: "IN" }],
    additionals: (subnet === undefined && size === undefined && dnssec === undefined ? [] : [opt]) as never,
  };
  return encode(packet);
}

/** A query with EDNS options, each a code and its data in hex. */
export function queryWith(name: string, type: string, ...options: readonly EdnsOptionHex[]): Uint8Array {
  const plain = queryOf(name, type, { size: 1232 });
  const data = options.map(([code, hex]) => {
    const octets = Buffer.from(hex, "hex");
    return Buffer.concat([Uint8Array.of(code >> 8, code, octets.length >> 8, octets.length), octets]);
  });
  const query = Buffer.concat([plain, ...data]);
  // The OPT is the last RR, its length the last field.
  query.writeUInt16BE(query.length - plain.length, plain.length - 2);
  return query;
}

type EdnsOptionHex = readonly [code: number, hex: string];

/** The EDNS options of a reply, each a code and its data in hex; null where it has no OPT. */
export function optionsOf(octets: Uint8Array): readonly EdnsOptionHex[] | null {
  const opt = readReply(octets).additionals?.find(({ type }) => type === "OPT");
  if (opt?.type !== "OPT") return null;
  return opt.options.map((option) => {
    const data: unknown = Reflect.get(option, "data");
    return [option.code, Buffer.isBuffer(data) ? data.toString("hex") : ""];
  });
}

/** The scope prefix length in a reply; null without ECS. */
export function scopeOf(reply: DecodedPacket): number | null {
  for (const additional of reply.additionals ?? []) {
    if (additional.type !== "OPT") continue;
    for (const option of additional.options) {
      if (option.code === 8) return Number(Reflect.get(option, "scopePrefixLength"));
    }
  }
  return null;
}

/** RRs as text: `www.example A 192.0.2.1`. */
export function texts(rrs: DecodedPacket["answers"]): readonly string[] {
  return (rrs ?? [])
    .filter((rr) => rr.type !== "OPT")
    .map((rr) => `${rr.name} ${rr.type} ${dataText(Reflect.get(rr, "data"))}`);
}

function dataText(data: unknown): string {
  if (Array.isArray(data)) return data.map(String).join(" ");
  if (Buffer.isBuffer(data)) return data.toString("hex");
  return typeof data === "object" ? JSON.stringify(data) : String(data);
}
