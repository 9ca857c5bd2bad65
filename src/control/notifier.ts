/** Tells secondaries that a zone has changed (RFC 1996): by NOTIFY over UDP, again and again until it is answered. */

import { randomInt } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import type { Logger } from "pino";
import type { TransferPeer } from "../config/config.ts";
import type { Endpoint } from "../config/node.ts";
import { parseAddress } from "../wire/address.ts";
import { u16 } from "../wire/bytes.ts";
import { Opcode, Rcode, RRClass, RRType } from "../wire/codes.ts";
import { HeaderBits } from "../wire/format.ts";
import { type Message, MessageWriter, readMessage } from "../wire/message.ts";
import { formatName, type Name, nameKey, sameName } from "../wire/name.ts";
import { isAfter } from "../wire/serial.ts";
import { findTsig, type TsigKey, TsigSigner, verifyTsig } from "../wire/tsig.ts";
import type { Zone } from "../zone/zone.ts";
import { serialOf, soaOf } from "./axfr.ts";
import { inTurns } from "./in-turns.ts";
import type { Snapshot } from "./snapshot.ts";
import { labelOf } from "./transfers.ts";
import { isSameContent } from "./zone-content.ts";

export interface NotifierOptions {
  readonly nowMs: () => number;
  readonly log: Logger;
  /** How long the first answer is waited for; then twice as long each time (RFC 1996 §3.6). */
  readonly retryMs?: number;
}

/** What became of a NOTIFY: taken, answered with an error, or never answered. */
export type NotifyOutcome = "answered" | "refused" | "unanswered";

const RETRY_MS = 2_000;
/** RFC 1996 §3.6 proposes five retransmissions: with the waits above the last wait ends after two minutes. */
const TRIES = 6;
/** So many are sent at a time, with a pause before the next: an operator with a thousand zones has few secondaries. */
const BURST = 50;
const PAUSE_MS = 50;

/** A NOTIFY that has not been answered. Its octets, and so its MAC, are the same each time. */
interface Pending {
  readonly apex: Name;
  readonly serial: number;
  readonly target: Endpoint;
  readonly key: TsigKey;
  readonly octets: Uint8Array;
  readonly mac: Uint8Array;
  tries: number;
  dueMs: number;
  /** What came back that nobody has signed, and so may be anybody's; null: nothing. */
  heard: string | null;
}

/** What the peers of a zone know, or are being told. */
interface Told {
  readonly zone: Zone;
  readonly serial: number;
  readonly targets: ReadonlySet<string>;
}

/** All NOTIFYs of a node. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #outcomes: Record<NotifyOutcome, number> = { answered: 0, refused: 0, unanswered: 0 };
  #told: ReadonlyMap<string, Told> = new Map();
  /** By zone, key and target: a later serial takes the place of an earlier one. */
  readonly #pending = new Map<string, Pending>();
  readonly #sockets = new Map<4 | 6, Socket>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  /** How many have ended how. */
  get outcomes(): Readonly<Record<NotifyOutcome, number>> {
    return this.#outcomes;
  }

  /**
   * Takes note of what is answered from now on. Told are the peers of each zone whose serial is above the one before, and
   * peers that are new; at the first call all, because nobody knows what they have missed.
   */
  use(snapshot: Snapshot): void {
    const told = new Map<string, Told>();
    const wanted = new Set<string>();
    for (const [key, { peers }] of snapshot.config.transfer) {
      const zone = snapshot.zones.find(({ apex }) => nameKey(apex) === key);
      if (zone === undefined) continue;
      const serial = serialOf(zone);
      const before = this.#told.get(key);
      const isNew = before === undefined || isAfter(serial, before.serial);
      if (before !== undefined && !isNew) this.#warn(before, zone, serial);
      const targets = targetsOf(zone, peers);
      told.set(key, { zone, serial, targets: new Set(targets.keys()) });
      for (const [id, { peer, target }] of targets) {
        wanted.add(id);
        const tsig = snapshot.keys.get(peer.key);
        if (tsig !== undefined && (isNew || !before.targets.has(id))) this.#add(id, zone, target, tsig);
      }
    }
    for (const id of this.#pending.keys()) if (!wanted.has(id)) this.#pending.delete(id);
    this.#told = told;
    this.#sendDue();
  }

  close(): void {
    this.#pending.clear();
    this.#rest();
  }

  /** Says why secondaries will not have what is in the zone now. */
  #warn(before: Told, zone: Zone, serial: number): void {
    const { log } = this.#options;
    const name = formatName(zone.apex);
    if (serial !== before.serial)
      log.warn(
        `${name} has serial ${serial} after ${before.serial}, which is above it (RFC 1982): secondaries keep what they have`,
      );
    else if (zone !== before.zone)
      void inTurns(isSameContent(before.zone, zone)).then((isSame) => {
        if (!isSame)
          log.warn(`${name} has changed, but not its serial ${serial}: secondaries keep what they have`);
      });
  }

  #add(id: string, zone: Zone, target: Endpoint, key: TsigKey): void {
    const signer = new TsigSigner(key, null);
    const seconds = Math.trunc(this.#options.nowMs() / 1000);
    const octets = signer.sign(notifyOf(zone), seconds);
    const { apex } = zone;
    const begun = { tries: 0, dueMs: performance.now(), heard: null };
    this.#pending.set(id, { apex, serial: serialOf(zone), target, key, octets, mac: signer.mac, ...begun });
  }

  #sendDue(): void {
    const nowMs = performance.now();
    let sent = 0;
    for (const [id, pending] of this.#pending) {
      if (pending.dueMs > nowMs || sent >= BURST) continue;
      if (pending.tries >= TRIES) {
        this.#end(id, pending, "unanswered", pending.heard ?? "no answer");
        continue;
      }
      this.#socket(pending.target.address.family).send(
        pending.octets,
        pending.target.port,
        pending.target.address.text,
        (error) => {
          if (error !== null) pending.heard = error.message;
        },
      );
      pending.dueMs = nowMs + (this.#options.retryMs ?? RETRY_MS) * 2 ** pending.tries;
      pending.tries += 1;
      sent += 1;
    }
    this.#rest();
    if (this.#pending.size === 0) return;
    const dueMs = Math.min(...[...this.#pending.values()].map((pending) => pending.dueMs));
    this.#timer = setTimeout(() => this.#sendDue(), Math.max(PAUSE_MS, dueMs - nowMs));
  }

  /** Ends what runs and is not needed. */
  #rest(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pending.size > 0) return;
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #socket(family: 4 | 6): Socket {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const socket = createSocket(family === 4 ? "udp4" : "udp6");
    socket.on("message", (octets, { address, port }) => this.#receive(octets, address, port));
    // What could not be sent is sent again.
    socket.on("error", () => undefined);
    this.#sockets.set(family, socket);
    return socket;
  }

  #receive(octets: Uint8Array, address: string, port: number): void {
    const message = readMessage(octets);
    const from = parseAddress(address)?.text;
    if (message === null || from === undefined) return;
    for (const [id, pending] of this.#pending) {
      const { target } = pending;
      if (target.address.text === from && target.port === port && isReply(message, pending))
        this.#hear(id, pending, octets, message);
    }
    if (this.#pending.size === 0) this.#rest();
  }

  #hear(id: string, pending: Pending, octets: Uint8Array, message: Message): void {
    const rcode = message.flags & HeaderBits.Rcode;
    const found = findTsig(message);
    const seconds = Math.trunc(this.#options.nowMs() / 1000);
    const isSigned =
      found.kind === "signed" &&
      verifyTsig(octets, found.tsig, pending.key, seconds, pending.mac).kind === "valid";
    if (!isSigned) {
      const error = found.kind === "signed" ? found.tsig.error : 0;
      pending.heard = `RCODE ${rcode}, TSIG error ${error}, not signed by the key`;
    } else if (rcode === Rcode.NoError) this.#end(id, pending, "answered", "");
    else this.#end(id, pending, "refused", `RCODE ${rcode}`);
  }

  #end(id: string, { apex, serial, target, key, tries }: Pending, outcome: NotifyOutcome, why: string): void {
    this.#pending.delete(id);
    this.#outcomes[outcome] += 1;
    const about = { key: labelOf(key), target: `${target.address.text}#${target.port}`, serial, tries };
    const name = formatName(apex);
    if (outcome === "answered") this.#options.log.info(about, `NOTIFY of ${name} answered`);
    else this.#options.log.warn(about, `NOTIFY of ${name} ${outcome}: ${why}`);
  }
}

/** Who is to be told of a zone, each with a name of its own. */
function targetsOf(
  { apex }: Zone,
  peers: readonly TransferPeer[],
): ReadonlyMap<string, { readonly peer: TransferPeer; readonly target: Endpoint }> {
  return new Map(
    peers.flatMap((peer) =>
      peer.notify.map((target) => {
        const id = [nameKey(apex), peer.key, target.address.text, target.port].join(" ");
        return [id, { peer, target }] as const;
      }),
    ),
  );
}

/** The zone, and its SOA as a hint that saves a query (RFC 1996 §3.7). */
function notifyOf(zone: Zone): Uint8Array {
  const { ttlSeconds, rdatas } = soaOf(zone);
  const writer = new MessageWriter(randomInt(2 ** 16), (Opcode.Notify << 11) | HeaderBits.AA, 1024);
  writer.question({ qname: zone.apex, qtype: RRType.SOA, qclass: RRClass.IN });
  for (const rdata of rdatas) writer.answer(zone.apex, RRType.SOA, RRClass.IN, ttlSeconds, rdata);
  return writer.octets;
}

/** Whether a message says that it is the reply to a NOTIFY; whether it is, its signature tells. */
function isReply({ id, flags, opcode, questions }: Message, { octets, apex }: Pending): boolean {
  const [question] = questions;
  const isOurs = question === undefined || sameName(question.qname, apex);
  return (flags & HeaderBits.QR) !== 0 && opcode === Opcode.Notify && id === u16(octets, 0) && isOurs;
}
