/** DNS on a byte stream: two octets of length before each message (RFC 1035 §4.2.2, RFC 7766 §8). */

import type { Duplex } from "node:stream";
import type { Client } from "../answer/client.ts";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import { putU16, u16 } from "../wire/bytes.ts";

/** Octets of the length before each message. */
const PREFIX = 2;
/** A header is the least that a message can be (RFC 1035 §4.1.1). */
const QUERY_OCTETS_MIN = 12;
/** A question with every EDNS option there is needs a few hundred; what is longer is not meant for us. */
const QUERY_OCTETS_MAX = 4096;

const NOTHING = new Uint8Array(0);

/** The queries of all streams are answered in here, one at a time. */
const packet = new Uint8Array(65_535);

/**
 * The queries and responses of one connection.
 *
 * Every query is answered as soon as it is whole, so responses go out in the order of their queries. When the peer
 * does not read them and more is unsent than the stream's high-water mark, nothing is answered or read until the
 * peer has read it all: a connection never holds more than the mark, one response, and one chunk of queries.
 */
export class DnsStream {
  readonly #stream: Duplex;
  readonly #client: Client;
  readonly #answer: Answer;
  readonly #onQuery: () => void;
  /** What came and is not answered: less than a query, or any number of them while the peer does not read. */
  #unread: Uint8Array = NOTHING;
  #isBlocked = false;

  /** `answer` does not throw; `onQuery` is called for each whole query. */
  constructor(stream: Duplex, client: Client, answer: Answer, onQuery: () => void) {
    this.#stream = stream;
    this.#client = client;
    this.#answer = answer;
    this.#onQuery = onQuery;
    stream.on("data", (chunk: Uint8Array) => {
      this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
      this.#answerUnread();
    });
    stream.on("drain", () => {
      this.#isBlocked = false;
      stream.resume();
      this.#answerUnread();
    });
  }

  /** Closes the connection once all that was answered is sent; what comes now is not answered any more. */
  end(): void {
    this.#stream.removeAllListeners("data");
    this.#stream.removeAllListeners("drain");
    this.#stream.resume();
    this.#stream.end();
  }

  /** Answers the whole queries among what came; a length that no query has closes the connection. */
  #answerUnread(): void {
    const unread = this.#unread;
    const moment = Math.trunc(Date.now() / 1000);
    let at = 0;
    this.#stream.cork();
    while (!this.#isBlocked && unread.length - at >= PREFIX) {
      const length = u16(unread, at);
      if (length < QUERY_OCTETS_MIN || length > QUERY_OCTETS_MAX) {
        this.#stream.destroy();
        return;
      }
      const end = at + PREFIX + length;
      if (end > unread.length) break;
      packet.set(unread.subarray(at + PREFIX, end));
      this.#send(this.#answer(packet, length, this.#client, Transport.Tcp, moment));
      this.#onQuery();
      at = end;
    }
    this.#stream.uncork();
    // Copied, because a few octets would keep the whole chunk they came in.
    this.#unread = at === unread.length ? NOTHING : Buffer.concat([unread.subarray(at)]);
  }

  /** Sends the first `length` octets of the packet; 0: nothing. */
  #send(length: number): void {
    if (length === 0) return;
    const message = Buffer.allocUnsafe(PREFIX + length);
    putU16(message, 0, length);
    message.set(packet.subarray(0, length), PREFIX);
    if (this.#stream.write(message)) return;
    this.#isBlocked = true;
    this.#stream.pause();
  }
}
