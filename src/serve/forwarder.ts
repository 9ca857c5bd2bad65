/** Takes requests that only control can answer to it, and its replies back, so that no client can make control busy. */

import { Client } from "../answer/client.ts";
import type { Responder } from "../answer/responder.ts";
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

/** What a request came by. */
export interface Carrier {
  readonly transport: Transport;
  /** The version of TLS, as in `TLSv1.3`; null: without TLS. */
  readonly tls: string | null;
}

/** A request as it came. */
export interface Request extends Carrier {
  readonly octets: Uint8Array;
  /** The client's address, 4 or 16 octets. */
  readonly source: Uint8Array;
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
  readonly asked: Request;
  /** Runs while a message is waited for: a client may take its time with one. */
  timer: NodeJS.Timeout;
  hasReplied: boolean;
}

/** The requests that are under way between clients and control. */
export class Forwarder {
  readonly #send: (message: FromClient) => void;
  readonly #responder: Pick<Responder, "explain">;
  readonly #pending = new Map<number, Pending>();
  readonly #client = new Client();
  #isOpen = false;
  #requests = 0;

  /** `responder` answers queries whose responses control signs, or has something to say in. */
  constructor(send: (message: FromClient) => void, responder: Pick<Responder, "explain">) {
    this.#send = send;
    this.#responder = responder;
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
  forward(asked: Request, sink: ReplySink): Forwarded {
    this.#requests += 1;
    const request = this.#requests;
    this.#pending.set(request, { sink, asked, timer: this.#startTimer(request), hasReplied: false });
    if (!this.#isOpen || this.#pending.size > REQUESTS_MAX) {
      // Not at once: the caller has not got to know it yet.
      setImmediate(() => this.#fail(request));
    } else {
      this.#send(this.#messageFor(request, asked));
    }
    return {
      next: () => this.#next(request),
      cancel: () => this.#cancel(request),
    };
  }

  /** The messages of the reply, as a stream sends them; throws `Abandoned`. */
  async *respond(
    octets: Uint8Array,
    client: Client,
    { transport, tls }: Carrier,
  ): AsyncGenerator<Uint8Array> {
    const source = client.address.slice(0, client.family === 4 ? 4 : 16);
    let arriving = Promise.withResolvers<{ readonly message: Uint8Array; readonly isLast: boolean }>();
    const forwarded = this.forward(
      { octets, source, transport, tls },
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

  /** Takes what control says to a query that asks why. */
  explain({ request, rdata }: Extract<ToDns, { kind: "explanation" }>): void {
    const pending = this.#pending.get(request);
    if (pending === undefined) return;
    this.#forget(request);
    const response = this.#respond(pending.asked.octets, pending.asked, rdata);
    if (response === null) pending.sink.abort();
    else pending.sink.reply(response, true);
  }

  /** An ordinary query that is not signed is here because it asks why. */
  #messageFor(request: number, asked: Request): FromClient {
    const { octets, source, transport, tls } = asked;
    const message = readMessage(octets);
    const found = message === null || !isOrdinary(message) ? null : findTsig(message);
    if (found?.kind === "unsigned") return { kind: "explain", request, octets, source };
    const isStream = transport !== Transport.Udp;
    // Made from what the query was before it was signed.
    const response = found?.kind === "signed" ? this.#respond(unsigned(octets, found.tsig), asked) : null;
    return { kind: "request", request, octets, source, isStream, tls, response };
  }

  /** Our own response to a query, with what control says in it if it asks why; null: there is none. */
  #respond(
    query: Uint8Array,
    { source, transport }: Request,
    rdata: Uint8Array | null = null,
  ): Uint8Array | null {
    const packet = new Packet(new Uint8Array(messageLengthMax));
    packet.octets.set(query);
    setClient(this.#client, source);
    const moment = Math.trunc(Date.now() / 1000);
    const length = this.#responder.explain(packet, query.length, this.#client, transport, moment, rdata);
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
    else pending.sink.reply(servFail(pending.asked.octets), true);
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
