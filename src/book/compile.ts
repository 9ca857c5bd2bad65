/** Compiles zones, services and plans into a book. */

import assert from "node:assert/strict";
import type { Vip, VipId } from "../config/config.ts";
import { canonicalRdatas } from "../dnssec/canonical.ts";
import type { ClassTrie } from "../geo/trie.ts";
import { finish, forEachInSteps, type Steps } from "../steps.ts";
import { putU32 } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";
import { type Name, nameKey } from "../wire/name.ts";
import { OctetSink, WordSink } from "../wire/sink.ts";
import type { RRset, Zone, ZoneNode } from "../zone/zone.ts";
import { additionalBlock, BlockWriter, httpsRdata, negativeSoa } from "./blocks.ts";
import { checksums } from "./book.ts";
import { BucketTables } from "./bucket-tables.ts";
import type { Admission, BookContent, BookService, ZoneSigning } from "./content.ts";
import {
  ADMISSION_WORDS,
  bufferWords,
  CANONICAL_HEADER,
  FORMAT,
  HEADER_WORDS,
  Header,
  MAGIC,
  NODE_WORDS,
  Node,
  NodeKind,
  Right,
  RRSET_WORDS,
  RRsetRecord,
  VIP_WORDS,
  ZONE_WORDS,
  ZoneRecord,
} from "./layout.ts";
import { planWords } from "./patch.ts";
import { Tree } from "./tree.ts";
import { typeBitmaps } from "./type-bitmaps.ts";

/** Where patches find what they change. */
export interface BookDirectory {
  readonly vips: ReadonlyMap<VipId, number>;
  /** By service number. */
  readonly services: readonly SlotRow[];
}

/** Where the plans of a service are: word offset of the first slot, and what slots have room for. */
interface SlotRow {
  readonly slots: number;
  readonly capacity4: number;
  readonly capacity6: number;
  readonly buckets: number;
  readonly rings: 0 | 1;
}

/** A compiled book and its directory. */
export interface CompiledBook {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly directory: BookDirectory;
}

/** Compiles a book. The content was checked as a whole before: see `control/snapshot.ts`. */
export function compileBook(content: BookContent): CompiledBook {
  return finish(compileInSteps(content));
}

/** The same in steps. */
export function compileInSteps(content: BookContent): Steps<CompiledBook> {
  return new Compiler(content).compile();
}

class Compiler {
  readonly #content: BookContent;
  readonly #words = new WordSink();
  readonly #octets = new OctetSink();
  readonly #vipNumbers: ReadonlyMap<VipId, number>;
  /** Where type bitmaps stand, by their octets: most names have the same types as many others. */
  readonly #bitmaps = new Map<string, number>();
  /** By zone number. */
  readonly #signings: readonly (ZoneSigning | null)[];

  constructor(content: BookContent) {
    this.#content = content;
    this.#signings = content.zones.map(({ apex }) => content.signing.get(nameKey(apex)) ?? null);
    this.#vipNumbers = new Map(content.vips.map((vip, number) => [vip.id, number]));
  }

  *compile(): Steps<CompiledBook> {
    const { version, zones, vips, services, admissions } = this.#content;
    const words = this.#words;
    words.push(MAGIC, FORMAT, version >>> 0, Math.floor(version / 2 ** 32));
    words.reserve(HEADER_WORDS - words.length);

    const names = new Map(
      services.map(({ service }, i) => [nameKey(service.name), { number: i, name: service.name }]),
    );
    const tree = new Tree(words, this.#octets, zones);
    yield* tree.grow(names);
    yield* this.#nodes(tree);
    words.set(Header.zonesAt, words.length);
    words.set(Header.zoneCount, zones.length);
    const zonesAt = words.length;
    for (const number of zones.keys()) words.push(...this.#zone(number));
    for (const number of zones.keys()) this.#signing(zonesAt + number * ZONE_WORDS, number);
    const serviceAt = yield* this.#services();
    words.set(Header.vipsAt, words.length);
    for (const vip of vips) this.#vip(vip);
    if (admissions.length > 0) words.set(Header.admissionsAt, words.push(admissions.length));
    for (const admission of admissions) this.#admission(admission);
    return yield* this.#finish(serviceAt);
  }

  /** Fills in what nodes own, and writes the table by which they are found. */
  *#nodes(tree: Tree): Steps<void> {
    const words = this.#words;
    for (const [number, { nodes }] of this.#content.zones.entries()) {
      yield* forEachInSteps(nodes.values(), (owner) => {
        const node = tree.nodeIn(number, owner.name);
        if (node !== 0) this.#rrsets(node, owner, tree);
      });
    }
    yield* forEachInSteps(tree.all(), (node) => this.#types(node));
    words.set(Header.labelsMax, tree.labelsMax);
    words.set(Header.namesMask, tree.pairs.length / 2 - 1);
    words.set(Header.namesAt, words.append(tree.pairs));
    tree.release();
  }

  #rrsets(node: number, owner: ZoneNode, tree: Tree): void {
    const words = this.#words;
    const number = words.at(node + Node.zone);
    const { apex, nodes } = this.#zoneOf(number);
    const signs = this.#signingOf(number) !== null;
    const nodeOf = (name: Name): ZoneNode | undefined => {
      const found = tree.find(name);
      return found !== 0 && words.at(found + Node.zone) === number ? nodes.get(nameKey(name)) : undefined;
    };
    // What is signed has to come with its signature (RFC 4035 §3.1.1), and a referral needs only what nobody can ask us for.
    const glueOf = (name: Name): ZoneNode | undefined => {
      const found = tree.find(name);
      return found !== 0 && !this.#isSigned(found, RRType.A) ? nodeOf(name) : undefined;
    };
    const isCut = words.at(node + Node.kind) === NodeKind.Delegation;
    let next = node + NODE_WORDS;
    for (const rrset of owner.rrsets.values()) {
      const additional = additionalBlock(owner, rrset, apex, signs && isCut ? glueOf : nodeOf);
      const block = new BlockWriter(owner.name, apex).add(owner.name, rrset).block();
      words.set(next + RRsetRecord.type, rrset.type);
      words.set(next + RRsetRecord.block, this.#block(block));
      words.set(next + RRsetRecord.additional, additional === null ? 0 : this.#octets.append(additional));
      words.set(
        next + RRsetRecord.canonical,
        signs && this.#isSigned(node, rrset.type) ? this.#canonical(rrset) : 0,
      );
      next += RRSET_WORDS;
    }
  }

  /** A zone signs neither its delegations nor the glue below them, but for DS (RFC 4035 §2.2). */
  #isSigned(node: number, type: number): boolean {
    const words = this.#words;
    const cut = words.at(node + Node.cut);
    if (cut !== 0 && words.at(cut + Node.kind) === NodeKind.Delegation) return false;
    return words.at(node + Node.kind) !== NodeKind.Delegation || type === RRType.DS;
  }

  /** Writes the type bitmaps of a node whose RRsets are there. */
  #types(node: number): void {
    const words = this.#words;
    if (this.#signingOf(words.at(node + Node.zone)) === null) return;
    const types = Array.from({ length: words.at(node + Node.rrsetCount) }, (_, i) =>
      words.at(node + NODE_WORDS + i * RRSET_WORDS + RRsetRecord.type),
    );
    const isDelegation = words.at(node + Node.kind) === NodeKind.Delegation;
    const service = this.#content.services[words.at(node + Node.service) - 1] ?? null;
    const octets = typeBitmaps(types, isDelegation, service);
    const key = Buffer.from(octets).toString("latin1");
    const at = this.#bitmaps.get(key) ?? this.#octets.append(octets);
    this.#bitmaps.set(key, at);
    words.set(node + Node.types, at);
  }

  /** The words of a zone; how it is signed is filled in later. */
  #zone(number: number): readonly number[] {
    const zone = this.#zoneOf(number);
    const soa = zone.nodes.get(nameKey(zone.apex))?.rrsets.get(RRType.SOA);
    const negative =
      soa === undefined
        ? 0
        : this.#block(new BlockWriter(zone.apex, zone.apex).add(zone.apex, negativeSoa(soa)).block());
    const canonical = soa === undefined || this.#signingOf(number) === null ? 0 : this.#canonical(soa);
    const ttlSeconds = soa === undefined ? 0 : negativeSoa(soa).ttlSeconds;
    const apex = this.#octets.append(Buffer.from(nameKey(zone.apex), "latin1"));
    return [zone.apex.length, negative, ttlSeconds, canonical, 0, apex];
  }

  /** What is signed of an RRset (see `CANONICAL_HEADER`). */
  #canonical({ type, ttlSeconds, rdatas }: RRset): number {
    const canonical = canonicalRdatas(type, rdatas);
    const octets = new Uint8Array(CANONICAL_HEADER + canonical.length);
    putU32(octets, 0, ttlSeconds);
    putU32(octets, 4, canonical.length);
    octets.set(canonical, CANONICAL_HEADER);
    return this.#octets.append(octets);
  }

  #signingOf(zone: number): ZoneSigning | null {
    return this.#signings[zone] ?? null;
  }

  #block(block: Uint8Array | null): number {
    assert(block !== null, "an RRset is no longer than a zone may have it");
    return this.#octets.append(block);
  }

  /** Writes the services and their tries; plans follow at the end. Returns where each service stands. */
  *#services(): Steps<readonly number[]> {
    const { services } = this.#content;
    const tries = new Map<ClassTrie, number>();
    for (const trie of new Set(services.flatMap(({ trie }) => trie ?? []))) {
      tries.set(trie, this.#words.append(trie.nodes));
      yield;
    }
    const reaches = new Map<BookService["reach"], number>();
    yield* forEachInSteps(new Set(services.map(({ reach }) => reach)), (reach) => {
      reaches.set(reach, this.#reach(reach));
    });
    this.#words.set(Header.servicesAt, this.#words.length);
    this.#words.set(Header.serviceCount, services.length);
    this.#words.set(Header.rings, services.some(({ rings }) => rings === 1) ? 1 : 0);
    const places: number[] = [];
    yield* forEachInSteps(
      services,
      ({ service, trie, capacity4, capacity6, buckets, rings, plans, reach }) => {
        const https = service.https === null ? null : httpsRdata(service.https.alpn, service.https.port);
        const at = this.#words.push(
          service.ttlSeconds,
          trie === null ? 0 : (tries.get(trie) ?? 0),
          0,
          capacity4,
          capacity6,
          https === null ? 0 : this.#octets.append(https),
          https?.length ?? 0,
          reaches.get(reach) ?? 0,
          buckets,
          rings,
          plans.length,
        );
        places.push(at);
      },
    );
    return places;
  }

  #reach(reach: BookService["reach"]): number {
    const numberOf = (vip: VipId | null): number =>
      vip === null ? 0 : 1 + (this.#vipNumbers.get(vip) ?? -1);
    return this.#words.push(
      reach.length,
      ...reach.flatMap(({ ipv4, ipv6 }) => [numberOf(ipv4), numberOf(ipv6)]),
    );
  }

  #vip(vip: Vip): void {
    const octets = new Uint8Array(4 * (VIP_WORDS - 2));
    octets.set(vip.address.bytes);
    this.#words.push(vip.address.family, this.#content.regionOf(vip.id));
    this.#words.append(new Uint32Array(octets.buffer));
  }

  #admission({ prefix, updates, transfers, explains }: Admission): void {
    const { family, bytes } = prefix.address;
    const octets = new Uint8Array(4 * (ADMISSION_WORDS - 3));
    octets.set(bytes);
    const rights =
      (updates ? Right.Update : 0) | (transfers ? Right.Transfer : 0) | (explains ? Right.Explain : 0);
    this.#words.push(rights, family, prefix.length);
    this.#words.append(new Uint32Array(octets.buffer));
  }

  /** Puts octets and plans behind the words, and writes the checksums. */
  *#finish(serviceAt: readonly number[]): Steps<CompiledBook> {
    const { services } = this.#content;
    const head = this.#words;
    const octetWords = Math.ceil(this.#octets.length / 4);
    const octetsAt = head.length * 4;
    const plansAt = head.length + octetWords;
    const plans = new WordSink();
    const rows = new Map<BookService["plans"], SlotRow>();
    const entries: SlotRow[] = [];
    const tables = new BucketTables();
    yield* forEachInSteps(services, ({ capacity4, capacity6, buckets, rings, plans: classes }) => {
      const shared = rows.get(classes);
      const row = shared ?? { slots: plansAt + plans.length, capacity4, capacity6, buckets, rings };
      entries.push(row);
      if (shared !== undefined) return;
      rows.set(classes, row);
      for (const { ipv4, ipv6, ttlSeconds4, ttlSeconds6 } of classes) {
        for (const [plan, ttlSeconds, capacity] of [
          [ipv4, ttlSeconds4, capacity4],
          [ipv6, ttlSeconds6, capacity6],
        ] as const) {
          plans.push(0);
          plans.append(planWords(plan, ttlSeconds, this.#vipNumbers, capacity, buckets, rings, tables));
          plans.reserve(bufferWords(capacity, buckets, rings));
        }
      }
    });

    const words = new Uint32Array(plansAt + plans.length);
    const bytes = new Uint8Array(words.buffer);
    words.set(head.words());
    yield;
    words.set(plans.words(), plansAt);
    yield;
    bytes.set(this.#octets.octets(), octetsAt);
    yield;
    for (const sink of [head, plans, this.#octets]) sink.release();
    for (const [i, at] of serviceAt.entries()) words[at + 2] = entries[i]?.slots ?? 0;
    words[Header.plansAt] = plansAt;
    words[Header.length] = words.length;
    words[Header.octetsAt] = octetsAt;
    const { checksum, plansChecksum } = yield* checksums(bytes);
    words[Header.checksum] = checksum;
    words[Header.plansChecksum] = plansChecksum;
    return { bytes, directory: { vips: this.#vipNumbers, services: entries } };
  }

  /** Writes how a zone is signed, and where that stands into the zone's record. */
  #signing(record: number, number: number): void {
    const signing = this.#signingOf(number);
    if (signing === null) return;
    const keys = signing.keys.map(({ duties, algorithm, tag }) => (duties << 24) | (algorithm << 16) | tag);
    this.#words.set(record + ZoneRecord.signing, this.#words.length);
    this.#words.push(signing.validitySeconds, keys.length, ...keys);
  }

  #zoneOf(number: number): Zone {
    const zone = this.#content.zones[number];
    if (zone === undefined) throw new RangeError(`no zone ${number}`);
    return zone;
  }
}
