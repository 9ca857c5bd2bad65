/** DNS on a byte stream: two octets of length before each message (RFC 1035 §4.2.2, RFC 7766 §8). */

import type { Duplex } from "node:stream";
import type { Client } from "../answer/client.ts";
import { FORWARD } from "../answer/forward.ts";
import type { Answer } from "../answer/responder.ts";
import { putU16, u16 } from "../wire/bytes.ts";
import { headerLength, messageLengthMax } from "../wire/format.ts";
import { Packet } from "../wire/packet.ts";
import { Abandoned, type Carrier } from "./forwarder.ts";
import type { Turns } from "./turns.ts";

/** Octets of the length before each message. */
const PREFIX = 2;
/**
 * A question with every EDNS option there is, padded, needs a few hundred. What other protocols begin with reads as a
 * length above this and closes the connection at once: 3,338 for a PROXY header, 5,635 for TLS, 18,245 for `GET`.
 */
export const QUERY_OCTETS_MAX = 2048;
/** Queries of one connection that may be in the hands of `respondLater`; the next waits for one of them to end. */
const LATER_MAX = 4;

const NOTHING = new Uint8Array(0);

/** Responses that are sent together; one more may be behind them. */
const TOGETHER_OCTETS = 16 * 1024;

/** The queries of all streams are answered in here, one at a time. */
const packet = new Packet(new Uint8Array(messageLengthMax));
/** Responses on their way into one write. */
const responses = new Uint8Array(TOGETHER_OCTETS + PREFIX + messageLengthMax);

/**
 * Takes a query that `answer` leaves to control, whose response takes time or many messages, such as a transfer (RFC
 * 5936 §2.2): it gives the response's messages, whole and in order, and each is asked for when the peer has room for it.
 * The octets are its own.
 */
export type RespondLater = (
  octets: Uint8Array,
  client: Client,
  carrier: Carrier,
) => AsyncIterable<Uint8Array>;

/** What a stream is served with. */
export interface StreamService extends Carrier {
  /** Does not throw. */
  readonly answer: Answer;
  readonly respondLater: RespondLater;
  /** Of the event loop that the streams share. */
  readonly turns: Turns;
  /** A response of `respondLater` threw, so its connection was closed. */
  readonly onCrash: (error: unknown) => void;
}

/** What whoever owns a connection is told of it. */
interface StreamEvents {
  /** Whole queries came, or the peer has read on. */
  readonly onUse: () => void;
  /** Something came that no query begins with, after others that were answered: the connection is to be closed politely. */
  readonly onNonsense: () => void;
}

/**
 * The queries and responses of one connection.
 *
 * Every query is answered as soon as it is whole, so responses go out in the order of their queries: an answer takes
 * microseconds, and nothing could overtake it. Those of `respondLater` go out as they come, and queries after them do
 * not wait (RFC 7766 §6.2.1.1, §7). When the peer does not read its responses and more is unsent than the stream's
 * high-water mark, nothing is answered or read until the peer has read it all: a connection never holds more than the
 * mark, one response, one message of each of `respondLater`'s, and one chunk of queries. After the first query of a
 * chunk the others are answered while this turn of the event loop has time, and otherwise in later ones.
 */
export class DnsStream {
  readonly #stream: Duplex;
  readonly #client: Client;
  readonly #service: StreamService;
  readonly #events: StreamEvents;
  /** What came and is not answered: less than a query, or any number of them while the peer does not read. */
  #unread: Uint8Array = NOTHING;
  #isBlocked = false;
  /** Others have their turn first. */
  #awaitsTurn = false;
  #hasAnswered = false;
  /** Responses of `respondLater` under way. */
  #later = 0;
  /** Resolves when the peer has read what was sent, or is gone; null: nobody waits for it. */
  #drained: PromiseWithResolvers<void> | null = null;

  constructor(stream: Duplex, client: Client, service: StreamService, events: StreamEvents) {
    this.#stream = stream;
    this.#client = client;
    this.#service = service;
    this.#events = events;
    stream.on("data", (chunk: Uint8Array) => {
      if (!stream.writable) return;
      this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
      this.#answerUnread();
    });
    stream.on("drain", () => {
      this.#isBlocked = false;
      this.#tellDrained();
      this.#goOn();
    });
    stream.on("close", () => this.#tellDrained());
  }

  /** Closes the connection once all that was answered is sent; what comes now is not answered any more. */
  end(): void {
    this.#unread = NOTHING;
    this.#stream.resume();
    this.#stream.end();
  }

  /** Answers the whole queries among what came, as far as this turn and the peer allow. */
  #answerUnread(): void {
    const unread = this.#unread;
    const moment = Math.trunc(Date.now() / 1000);
    let at = 0;
    let end = 0;
    let length = lengthAt(unread, at);
    while (length > 0 && !this.#waits()) {
      packet.octets.set(unread.subarray(at + PREFIX, at + PREFIX + length));
      end = this.#respond(length, moment, end);
      at += PREFIX + length;
      length = lengthAt(unread, at);
      if (length > 0 && !this.#service.turns.hasTime()) this.#awaitTurn();
      if (end >= TOGETHER_OCTETS) end = this.#send(end);
    }
    if (end > 0) this.#send(end);
    if (at > 0) this.#events.onUse();
    if (length === NONSENSE) this.#refuse();
    else this.#keep(unread, at);
  }

  /** Nobody who has only sent nonsense is owed a polite end. */
  #refuse(): void {
    if (this.#hasAnswered) this.#events.onNonsense();
    else this.#stream.destroy();
  }

  /** Keeps what comes after `at` for later. */
  #keep(unread: Uint8Array, at: number): void {
    if (this.#waits()) {
      this.#stream.pause();
      this.#unread = unread.subarray(at);
      return;
    }
    // Copied, because a few octets would keep the whole chunk they came in.
    this.#unread = at === unread.length ? NOTHING : Buffer.from(unread.subarray(at));
  }

  /** Whether no more queries are to be taken for now. */
  #waits(): boolean {
    return this.#isBlocked || this.#awaitsTurn || this.#later >= LATER_MAX;
  }

  #awaitTurn(): void {
    this.#awaitsTurn = true;
    this.#service.turns.wait(() => {
      this.#awaitsTurn = false;
      this.#goOn();
    });
  }

  #goOn(): void {
    if (this.#waits() || !this.#stream.writable) return;
    this.#stream.resume();
    this.#answerUnread();
  }

  #tellDrained(): void {
    this.#drained?.resolve();
    this.#drained = null;
  }

  /** Answers the query in `packet`; what is to be sent at once is put at `end` of `responses`. Returns where that ends. */
  #respond(length: number, moment: number, end: number): number {
    const { answer, respondLater, transport } = this.#service;
    const responseLength = answer(packet, length, this.#client, transport, moment);
    if (responseLength === FORWARD) {
      void this.#sendLater(respondLater(packet.octets.slice(0, length), this.#client, this.#service));
      return end;
    }
    return responseLength === 0 ? end : appendMessage(packet.octets.subarray(0, responseLength), end);
  }

  /** Sends messages one after the other, each once the peer has room for it. */
  async #sendLater(messages: AsyncIterable<Uint8Array>): Promise<void> {
    this.#later += 1;
    try {
      for await (const message of messages) {
        if (!this.#stream.writable) return;
        this.#send(appendMessage(message, 0));
        if (this.#isBlocked) {
          this.#drained ??= Promise.withResolvers();
          await this.#drained.promise;
        }
        this.#events.onUse();
      }
    } catch (error) {
      if (!(error instanceof Abandoned)) this.#service.onCrash(error);
      this.#stream.destroy();
    } finally {
      this.#later -= 1;
      this.#goOn();
    }
  }

  /** Sends what `responses` hold before `end`, in one piece. Returns where they end then. */
  #send(end: number): number {
    const octets = Buffer.allocUnsafe(end);
    octets.set(responses.subarray(0, end));
    if (!this.#stream.write(octets)) this.#isBlocked = true;
    this.#hasAnswered = true;
    return 0;
  }
}

/** What `lengthAt` says of a length that no query has. */
const NONSENSE = -1;

/** The length of the query at `at`; 0: it is not whole. */
function lengthAt(octets: Uint8Array, at: number): number {
  if (octets.length - at < PREFIX) return 0;
  const length = u16(octets, at);
  if (length < headerLength || length > QUERY_OCTETS_MAX) return NONSENSE;
  return octets.length - at - PREFIX < length ? 0 : length;
}

/** Puts a message with its length at `end` of `responses`, and returns where that ends. */
function appendMessage(message: Uint8Array, end: number): number {
  putU16(responses, end, message.length);
  responses.set(message, end + PREFIX);
  return end + PREFIX + message.length;
}
