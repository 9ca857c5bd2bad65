/** Takes requests that only control can answer to it, and its replies back, so that no client can make control busy. */

import { Client } from "../answer/client.ts";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import type { FromClient, ToDns } from "../book/messages.ts";
import { copyOf } from "../wire/bytes.ts";
import { isTransfer, Opcode } from "../wire/codes.ts";
import { headerLength, messageLengthMax } from "../wire/format.ts";
import { type Message, readMessage } from "../wire/message.ts";
import { Packet } from "../wire/packet.ts";
import { findTsig, unsigned } from "../wire/tsig.ts";
import { setClient } from "./endpoint.ts";
import { writeServFail } from "./guard.ts";

/** A request as it came. */
export interface Request {
  readonly octets: Uint8Array;
  /** The client's address, 4 or 16 octets. */
  readonly source: Uint8Array;
  readonly transport: Transport;
}

/** Where the messages of a reply go. */
export interface ReplySink {
  /** Another message; after the last one nothing follows. */
  reply(message: Uint8Array, isLast: boolean): void;
  /** There will be no reply, or no more of it. */
  abort(): void;
}

/** Thrown where control gave no more of a reply. */
export class Abandoned extends Error {}

/** A request that control has, or nobody. */
export interface Forwarded {
  /** The last message was taken: the next may come. */
  next(): void;
  /** The client has gone. */
  cancel(): void;
}

/** What may be under way at a time; control answers one after the other. */
const REQUESTS_MAX = 64;
/** Control gives each message within milliseconds; one that does not in this time has other worries. */
const SILENCE_MS = 5_000;

interface Pending {
  readonly sink: ReplySink;
  readonly octets: Uint8Array;
  /** Runs while a message is waited for: a client may take its time with one. */
  timer: NodeJS.Timeout;
  hasReplied: boolean;
}

/** The requests that are under way between clients and control. */
export class Forwarder {
  readonly #send: (message: FromClient) => void;
  readonly #answer: Answer;
  readonly #pending = new Map<number, Pending>();
  readonly #client = new Client();
  #isOpen = false;
  #requests = 0;

  /** `answer` answers queries whose responses control signs. */
  constructor(send: (message: FromClient) => void, answer: Answer) {
    this.#send = send;
    this.#answer = answer;
  }

  /** Control is there. */
  open(): void {
    this.#isOpen = true;
  }

  /** Control is not there any more: what it has not answered it never will. */
  close(): void {
    this.#isOpen = false;
    for (const request of [...this.#pending.keys()]) this.#fail(request);
  }

  /** Takes a request to control. Without control, or with too many under way, the reply is SERVFAIL. */
  forward({ octets, source, transport }: Request, sink: ReplySink): Forwarded {
    this.#requests += 1;
    const request = this.#requests;
    this.#pending.set(request, { sink, octets, timer: this.#startTimer(request), hasReplied: false });
    if (!this.#isOpen || this.#pending.size > REQUESTS_MAX) {
      // Not at once: the caller has not got to know it yet.
      setImmediate(() => this.#fail(request));
    } else {
      const isStream = transport !== Transport.Udp;
      const response = this.#responseTo(octets, source, transport);
      this.#send({ kind: "request", request, octets, source, isStream, response });
    }
    return {
      next: () => this.#next(request),
      cancel: () => this.#cancel(request),
    };
  }

  /** The messages of the reply, as a stream sends them; throws `Abandoned`. */
  async *respond(octets: Uint8Array, client: Client, transport: Transport): AsyncGenerator<Uint8Array> {
    const source = client.address.slice(0, client.family === 4 ? 4 : 16);
    let arriving = Promise.withResolvers<{ readonly message: Uint8Array; readonly isLast: boolean }>();
    const forwarded = this.forward(
      { octets, source, transport },
      {
        reply: (message, isLast) => arriving.resolve({ message, isLast }),
        abort: () => arriving.reject(new Abandoned("control gave no more of a reply")),
      },
    );
    try {
      for (;;) {
        const { message, isLast } = await arriving.promise;
        arriving = Promise.withResolvers();
        yield message;
        if (isLast) return;
        forwarded.next();
      }
    } finally {
      forwarded.cancel();
    }
  }

  /** Takes a message of control's. */
  receive({ request, message, isLast }: Extract<ToDns, { kind: "reply" }>): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    if (isLast) this.#forget(request);
    clearTimeout(pending.timer);
    pending.hasReplied = true;
    if (message === null) pending.sink.abort();
    else pending.sink.reply(message, isLast);
  }

  /** The response to an ordinary query, made from what it was before it was signed; null: it is none. */
  #responseTo(octets: Uint8Array, source: Uint8Array, transport: Transport): Uint8Array | null {
    const message = readMessage(octets);
    if (message === null || !isOrdinary(message)) return null;
    const found = findTsig(message);
    if (found.kind !== "signed") return null;
    const packet = new Packet(new Uint8Array(messageLengthMax));
    const query = unsigned(octets, found.tsig);
    packet.octets.set(query);
    setClient(this.#client, source);
    const moment = Math.trunc(Date.now() / 1000);
    const length = this.#answer(packet, query.length, this.#client, transport, moment);
    return length > 0 ? packet.octets.slice(0, length) : null;
  }

  #next(request: number): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    pending.timer = this.#startTimer(request);
    this.#send({ kind: "next", request });
  }

  #startTimer(request: number): NodeJS.Timeout {
    return setTimeout(() => this.#fail(request), SILENCE_MS);
  }

  #cancel(request: number): void {
    if (this.#forget(request)) this.#send({ kind: "gone", request });
  }

  #fail(request: number): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#cancel(request);
    if (pending.hasReplied) pending.sink.abort();
    else pending.sink.reply(servFail(pending.octets), true);
  }

  #forget(request: number): boolean {
    clearTimeout(this.#pending.get(request)?.timer);
    return this.#pending.delete(request);
  }
}

function isOrdinary({ opcode, questions }: Message): boolean {
  const [question] = questions;
  return opcode === Opcode.Query && question !== undefined && !isTransfer(question.qtype);
}

function servFail(octets: Uint8Array): Uint8Array {
  const header = copyOf(octets, 0, headerLength);
  writeServFail(header);
  return header;
}
