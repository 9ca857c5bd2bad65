/** Compiles zones, services and plans into a book. */

import type { Service, Vip, VipId } from "../config/config.ts";
import { canonicalRdatas } from "../dnssec/canonical.ts";
import type { KeyDuty } from "../dnssec/key-duty.ts";
import type { ClassTrie } from "../geo/trie.ts";
import type { Problem } from "../problem.ts";
import type { Plan } from "../steering/plan.ts";
import type { Prefix } from "../wire/address.ts";
import { putU32 } from "../wire/bytes.ts";
import { RRType } from "../wire/codes.ts";
import { nameKey } from "../wire/name.ts";
import { hashName } from "../wire/query.ts";
import { OctetSink, WordSink } from "../wire/sink.ts";
import type { RRset, Zone } from "../zone/zone.ts";
import { additionalBlock, BlockWriter, httpsRdata, negativeSoa } from "./blocks.ts";
import { checksums } from "./book.ts";
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
  VIP_WORDS,
  ZONE_WORDS,
  ZoneRecord,
} from "./layout.ts";
import { planWords } from "./patch.ts";
import { buildTree, labelsMax, type TreeNode } from "./tree.ts";
import { typeBitmaps } from "./type-bitmaps.ts";

/** All that a book holds. */
export interface BookContent {
  /** Grows with every book; below 2^53. */
  readonly version: number;
  readonly zones: readonly Zone[];
  /** By `nameKey` of the apex: the signed ones, whose DNSKEY RRsets are in them already. */
  readonly signing: ReadonlyMap<string, ZoneSigning>;
  /** Every VIP; its index is its number in plans. */
  readonly vips: readonly Vip[];
  /** Region number of a VIP, for the counters. */
  readonly regionOf: (vip: VipId) => number;
  readonly services: readonly BookService[];
  readonly admissions: readonly Admission[];
}

/** A prefix from which requests come that control answers. */
export interface Admission {
  readonly prefix: Prefix;
  readonly updates: boolean;
  readonly transfers: boolean;
}

/** How a zone is signed. */
export interface ZoneSigning {
  readonly validitySeconds: number;
  readonly keys: readonly KeyDuty[];
}

/** A service with the plans of all its classes. */
export interface BookService {
  readonly service: Service;
  /** Class of every client; null: all are class 0. One trie may serve many services. */
  readonly trie: ClassTrie | null;
  /** The most VIPs that a plan of the family can ever hold. */
  readonly capacity4: number;
  readonly capacity6: number;
  /** By class number. */
  readonly plans: readonly ClassPlans[];
}

export interface ClassPlans {
  readonly ipv4: Plan;
  readonly ipv6: Plan;
}

/** Where patches find what they change. */
export interface BookDirectory {
  readonly vips: ReadonlyMap<VipId, number>;
  /** By service number: word offset of the first plan slot, and the capacities. */
  readonly services: readonly {
    readonly slots: number;
    readonly capacity4: number;
    readonly capacity6: number;
  }[];
}

/** A compiled book, its directory, and what could not be put into it. */
export interface CompiledBook {
  readonly bytes: Uint8Array;
  readonly directory: BookDirectory;
  readonly problems: readonly Problem[];
}

/** Compiles a book. The content was checked as a whole before: see `control/snapshot.ts`. */
export function compileBook(content: BookContent): CompiledBook {
  const compiler = new Compiler(content);
  return compiler.compile();
}

class Compiler {
  readonly #content: BookContent;
  readonly #words = new WordSink();
  readonly #octets = new OctetSink();
  readonly #problems: Problem[] = [];
  /** Where type bitmaps stand, by their octets: most names have the same types as many others. */
  readonly #bitmaps = new Map<string, number>();

  constructor(content: BookContent) {
    this.#content = content;
  }

  compile(): CompiledBook {
    const { version, zones, vips, services, admissions } = this.#content;
    const words = this.#words;
    words.push(MAGIC, FORMAT, version >>> 0, Math.floor(version / 2 ** 32));
    words.reserve(HEADER_WORDS - words.length);

    const names = new Map(
      services.map(({ service }, i) => [nameKey(service.name), { number: i, name: service.name }]),
    );
    const tree = buildTree(zones, names);
    words.set(Header.labelsMax, labelsMax(tree));
    this.#nodes(tree);
    words.set(Header.zonesAt, words.length);
    words.set(Header.zoneCount, zones.length);
    const zonesAt = words.length;
    for (const zone of zones) words.push(...this.#zone(zone));
    for (const [i, zone] of zones.entries()) this.#signing(zonesAt + i * ZONE_WORDS, zone);
    const serviceAt = this.#services();
    words.set(Header.vipsAt, words.length);
    for (const vip of vips) this.#vip(vip);
    if (admissions.length > 0) words.set(Header.admissionsAt, words.push(admissions.length));
    for (const admission of admissions) this.#admission(admission);
    return this.#finish(serviceAt);
  }

  #nodes(tree: ReadonlyMap<string, TreeNode>): void {
    const words = this.#words;
    const slots = 2 ** Math.ceil(Math.log2(2 * tree.size + 1));
    const namesAt = words.reserve(2 * slots);
    words.set(Header.namesAt, namesAt);
    words.set(Header.namesMask, slots - 1);
    const offsets = new Map<TreeNode, number>();
    for (const node of tree.values()) {
      for (const one of node.parentSide === null ? [node] : [node, node.parentSide])
        offsets.set(one, words.reserve(NODE_WORDS + RRSET_WORDS * one.rrsets.size));
    }
    const taken = new Uint8Array(slots);
    for (const [key, node] of tree) {
      const at = offsets.get(node) ?? 0;
      const folded = Buffer.from(key, "latin1");
      const hash = hashName(folded, 0, folded.length);
      let slot = hash & (slots - 1);
      while (taken[slot] !== 0) slot = (slot + 1) & (slots - 1);
      taken[slot] = 1;
      words.set(namesAt + 2 * slot, hash);
      words.set(namesAt + 2 * slot + 1, at);
      const name = this.#octets.append(folded);
      this.#node(node, name, offsets, tree);
      if (node.parentSide !== null) this.#node(node.parentSide, name, offsets, tree);
    }
  }

  /** Fills in a node; `name` is where its folded name stands. */
  #node(
    node: TreeNode,
    name: number,
    offsets: ReadonlyMap<TreeNode, number>,
    tree: ReadonlyMap<string, TreeNode>,
  ): void {
    const words = this.#words;
    const offsetOf = (other: TreeNode | null): number => (other === null ? 0 : (offsets.get(other) ?? 0));
    const at = offsetOf(node);
    words.set(at + Node.name, name);
    words.set(at + Node.nameLength, node.name.length);
    words.set(at + Node.zone, node.zone);
    words.set(at + Node.cut, offsetOf(node.cut));
    words.set(at + Node.wildcard, offsetOf(node.wildcard));
    words.set(at + Node.service, node.service === null ? 0 : node.service + 1);
    words.set(at + Node.kind, node.kind);
    words.set(at + Node.rrsetCount, node.rrsets.size);
    words.set(at + Node.types, this.#signingOf(node.zone) === null ? 0 : this.#types(node));
    words.set(at + Node.parentSide, offsetOf(node.parentSide));
    this.#rrsets(at + NODE_WORDS, node, tree);
  }

  #types(node: TreeNode): number {
    const service = node.service === null ? null : (this.#content.services[node.service] ?? null);
    const octets = typeBitmaps(node, service);
    const key = Buffer.from(octets).toString("latin1");
    const at = this.#bitmaps.get(key) ?? this.#octets.append(octets);
    this.#bitmaps.set(key, at);
    return at;
  }

  #rrsets(at: number, node: TreeNode, tree: ReadonlyMap<string, TreeNode>): void {
    const apex = this.#zoneOf(node.zone).apex;
    const signs = this.#signingOf(node.zone) !== null;
    let next = at;
    for (const rrset of node.rrsets.values()) {
      const additional = additionalBlock(node, rrset, apex, tree);
      this.#words.set(next, rrset.type);
      this.#words.set(
        next + 1,
        this.#block(new BlockWriter(node.name, apex).add(node.name, rrset).block(), rrset),
      );
      this.#words.set(next + 2, additional === null ? 0 : this.#octets.append(additional));
      this.#words.set(next + 3, signs && isSigned(node, rrset.type) ? this.#canonical(rrset) : 0);
      next += RRSET_WORDS;
    }
  }

  /** The words of a zone; how it is signed is filled in later. */
  #zone(zone: Zone): readonly number[] {
    const soa = zone.nodes.get(nameKey(zone.apex))?.rrsets.get(RRType.SOA);
    const negative =
      soa === undefined
        ? 0
        : this.#block(new BlockWriter(zone.apex, zone.apex).add(zone.apex, negativeSoa(soa)).block(), soa);
    const signing = this.#content.signing.get(nameKey(zone.apex));
    const canonical = soa === undefined || signing === undefined ? 0 : this.#canonical(soa);
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
    return this.#content.signing.get(nameKey(this.#zoneOf(zone).apex)) ?? null;
  }

  #block(block: Uint8Array | null, rrset: RRset): number {
    if (block !== null) return this.#octets.append(block);
    this.#problems.push({ ...rrset.place, message: "this RRset is larger than 32,767 octets; split it" });
    return 0;
  }

  /** Writes the services and their tries; plans follow at the end. Returns where each service stands. */
  #services(): readonly number[] {
    const tries = new Map<ClassTrie, number>();
    for (const { trie } of this.#content.services) {
      if (trie !== null && !tries.has(trie)) tries.set(trie, this.#words.append(trie.nodes));
    }
    this.#words.set(Header.servicesAt, this.#words.length);
    this.#words.set(Header.serviceCount, this.#content.services.length);
    return this.#content.services.map(({ service, trie, capacity4, capacity6 }) => {
      const https = service.https === null ? null : httpsRdata(service.https.alpn, service.https.port);
      return this.#words.push(
        service.ttlSeconds,
        trie === null ? 0 : (tries.get(trie) ?? 0),
        0,
        capacity4,
        capacity6,
        https === null ? 0 : this.#octets.append(https),
        https?.length ?? 0,
      );
    });
  }

  #vip(vip: Vip): void {
    const octets = new Uint8Array(4 * (VIP_WORDS - 2));
    octets.set(vip.address.bytes);
    this.#words.push(vip.address.family, this.#content.regionOf(vip.id));
    this.#words.append(new Uint32Array(octets.buffer));
  }

  #admission({ prefix, updates, transfers }: Admission): void {
    const { family, bytes } = prefix.address;
    const octets = new Uint8Array(4 * (ADMISSION_WORDS - 3));
    octets.set(bytes);
    this.#words.push((updates ? Right.Update : 0) | (transfers ? Right.Transfer : 0), family, prefix.length);
    this.#words.append(new Uint32Array(octets.buffer));
  }

  /** Puts octets and plans behind the words and seals the book. */
  #finish(serviceAt: readonly number[]): CompiledBook {
    const { services, vips } = this.#content;
    const head = this.#words;
    const octetWords = Math.ceil(this.#octets.length / 4);
    const octetsAt = head.length * 4;
    const plansAt = head.length + octetWords;
    const vipNumbers = new Map(vips.map((vip, number) => [vip.id, number]));
    const plans = new WordSink();
    const entries = services.map(({ capacity4, capacity6, plans: classes }) => {
      const slots = plansAt + plans.length;
      for (const { ipv4, ipv6 } of classes) {
        for (const [plan, capacity] of [
          [ipv4, capacity4],
          [ipv6, capacity6],
        ] as const) {
          plans.push(0);
          plans.append(planWords(plan, vipNumbers, capacity));
          plans.reserve(bufferWords(capacity));
        }
      }
      return { slots, capacity4, capacity6 };
    });

    const words = new Uint32Array(plansAt + plans.length);
    words.set(head.words());
    words.set(plans.words(), plansAt);
    const bytes = new Uint8Array(words.buffer);
    bytes.set(this.#octets.octets(), octetsAt);
    for (const [i, at] of serviceAt.entries()) words[at + 2] = entries[i]?.slots ?? 0;
    words[Header.plansAt] = plansAt;
    words[Header.length] = words.length;
    words[Header.octetsAt] = octetsAt;
    sealBook(bytes);
    return { bytes, directory: { vips: vipNumbers, services: entries }, problems: this.#problems };
  }

  /** Writes how a zone is signed, and where that stands into the zone's record. */
  #signing(record: number, zone: Zone): void {
    const signing = this.#content.signing.get(nameKey(zone.apex));
    if (signing === undefined) return;
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

/** A zone signs neither its delegations nor the glue below them, but for DS (RFC 4035 §2.2). */
function isSigned(node: TreeNode, type: number): boolean {
  if (node.cut?.kind === NodeKind.Delegation) return false;
  return node.kind !== NodeKind.Delegation || type === RRType.DS;
}

/** Writes the checksums of a book whose plans may have been patched, before it goes to disk. */
export function sealBook(bytes: Uint8Array): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const { checksum, plansChecksum } = checksums(bytes);
  words[Header.checksum] = checksum;
  words[Header.plansChecksum] = plansChecksum;
}
