/** DNS on a byte stream: two octets of length before each message (RFC 1035 §4.2.2, RFC 7766 §8). */

import type { Duplex } from "node:stream";
import type { Client } from "../answer/client.ts";
import { FORWARD } from "../answer/forward.ts";
import type { Answer } from "../answer/responder.ts";
import type { Transport } from "../answer/transport.ts";
import { putU16, u16 } from "../wire/bytes.ts";
import { Abandoned } from "./forwarder.ts";

/** Octets of the length before each message. */
const PREFIX = 2;
/** A header is the least that a message can be (RFC 1035 §4.1.1). */
export const QUERY_OCTETS_MIN = 12;
/**
 * A question with every EDNS option there is, padded, needs a few hundred. What other protocols begin with reads as a
 * length above this and closes the connection at once: 3,338 for a PROXY header, 5,635 for TLS, 18,245 for `GET`.
 */
export const QUERY_OCTETS_MAX = 2048;
/** Queries of one connection that may be in the hands of `respondLater`; the next waits for one of them to end. */
const LATER_MAX = 4;

const NOTHING = new Uint8Array(0);

/** The queries of all streams are answered in here, one at a time. */
const packet = new Uint8Array(65_535);

/**
 * Takes a query that `answer` leaves to control, whose response takes time or many messages, such as a transfer (RFC
 * 5936 §2.2): it gives the response's messages, whole and in order, and each is asked for when the peer has room for it.
 * The octets are its own.
 */
export type RespondLater = (
  octets: Uint8Array,
  client: Client,
  transport: Transport,
) => AsyncIterable<Uint8Array>;

/** What all streams of a listener are served with. */
export interface StreamService {
  readonly transport: Transport;
  /** Does not throw. */
  readonly answer: Answer;
  readonly respondLater: RespondLater;
  /** A response of `respondLater` threw, so its connection was closed. */
  readonly onCrash: (error: unknown) => void;
}

/**
 * The queries and responses of one connection.
 *
 * Every query is answered as soon as it is whole, so responses go out in the order of their queries: an answer takes
 * microseconds, and nothing could overtake it. Those of `respondLater` go out as they come, and queries after them do
 * not wait (RFC 7766 §6.2.1.1, §7). When the peer does not read its responses and more is unsent than the stream's
 * high-water mark, nothing is answered or read until the peer has read it all: a connection never holds more than the
 * mark, one response, one message of each of `respondLater`'s, and one chunk of queries.
 */
export class DnsStream {
  readonly #stream: Duplex;
  readonly #client: Client;
  readonly #service: StreamService;
  readonly #onUse: () => void;
  /** What came and is not answered: less than a query, or any number of them while the peer does not read. */
  #unread: Uint8Array = NOTHING;
  #isBlocked = false;
  /** Responses of `respondLater` under way. */
  #later = 0;
  /** Resolves when the peer has read what was sent, or is gone. */
  #drained: PromiseWithResolvers<void> = Promise.withResolvers();

  /** `onUse` is called for each whole query, and each time that the peer has read on. */
  constructor(stream: Duplex, client: Client, service: StreamService, onUse: () => void) {
    this.#stream = stream;
    this.#client = client;
    this.#service = service;
    this.#onUse = onUse;
    stream.on("data", (chunk: Uint8Array) => {
      this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
      this.#answerUnread();
    });
    stream.on("drain", () => {
      this.#isBlocked = false;
      this.#drained.resolve();
      this.#drained = Promise.withResolvers();
      this.#goOn();
    });
    stream.on("close", () => this.#drained.resolve());
  }

  /** Closes the connection once all that was answered is sent; what comes now is not answered any more. */
  end(): void {
    this.#unread = NOTHING;
    this.#stream.removeAllListeners("data");
    this.#stream.resume();
    this.#stream.end();
  }

  /** Answers the whole queries among what came; a length that no query has ends the connection after them. */
  #answerUnread(): void {
    const unread = this.#unread;
    const moment = Math.trunc(Date.now() / 1000);
    let at = 0;
    let isSound = true;
    this.#stream.cork();
    while (!this.#waits() && unread.length - at >= PREFIX) {
      const length = u16(unread, at);
      isSound = length >= QUERY_OCTETS_MIN && length <= QUERY_OCTETS_MAX;
      const end = at + PREFIX + length;
      if (!isSound || end > unread.length) break;
      packet.set(unread.subarray(at + PREFIX, end));
      this.#respond(length, moment);
      this.#onUse();
      at = end;
    }
    this.#stream.uncork();
    if (!isSound) {
      this.end();
      return;
    }
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
    return this.#isBlocked || this.#later >= LATER_MAX;
  }

  #goOn(): void {
    if (this.#waits() || !this.#stream.writable) return;
    this.#stream.resume();
    this.#answerUnread();
  }

  #respond(length: number, moment: number): void {
    const { answer, respondLater, transport } = this.#service;
    const responseLength = answer(packet, length, this.#client, transport, moment);
    if (responseLength === FORWARD)
      void this.#sendLater(respondLater(packet.slice(0, length), this.#client, transport));
    else if (!this.#send(packet, responseLength)) this.#isBlocked = true;
  }

  /** Sends messages one after the other, each once the peer has room for it. */
  async #sendLater(messages: AsyncIterable<Uint8Array>): Promise<void> {
    this.#later += 1;
    try {
      for await (const message of messages) {
        if (!this.#stream.writable) return;
        if (!this.#send(message, message.length)) await this.#drained.promise;
        this.#onUse();
      }
    } catch (error) {
      if (!(error instanceof Abandoned)) this.#service.onCrash(error);
      this.#stream.destroy();
    } finally {
      this.#later -= 1;
      this.#goOn();
    }
  }

  /** Sends the first `length` octets; 0: nothing. False when the peer must read before more is sent. */
  #send(octets: Uint8Array, length: number): boolean {
    if (length === 0) return true;
    const message = Buffer.allocUnsafe(PREFIX + length);
    putU16(message, 0, length);
    message.set(octets.subarray(0, length), PREFIX);
    return this.#stream.write(message);
  }
}
