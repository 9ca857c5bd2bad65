/** Binds the answer to one thread: its book, its buffers, its row of counters. */

import { Book } from "../book/book.ts";
import type { Packet } from "../wire/packet.ts";
import { Query } from "../wire/query.ts";
import { answer } from "./answer.ts";
import type { Client } from "./client.ts";
import { Cookies } from "./cookie.ts";
import { type AnswerOptions, defaultAnswerOptions } from "./options.ts";
import { RateLimit } from "./rate-limit.ts";
import { Reply } from "./reply.ts";
import { Sampler } from "./sampler.ts";
import { Signatures, type SigningState } from "./signatures.ts";
import type { AnswerState } from "./state.ts";
import type { Transport } from "./transport.ts";
import { warmUp } from "./warm-up.ts";

/**
 * Answers a query in place: `packet` holds it in its first `length` octets, and holds the response afterwards. The
 * result is the response's length; 0: say nothing; FORWARD: control answers. `moment` is the time in seconds: picks of one second agree.
 */
export type Answer = (
  packet: Packet,
  length: number,
  client: Client,
  transport: Transport,
  moment: number,
) => number;

/** As `Answer`, with what control says of the query. */
export type Explain = (...query: readonly [...Parameters<Answer>, rdata: Uint8Array | null]) => number;

/** A book that was inspected, and what its answers are signed with. */
export interface ServedBook {
  readonly memory: SharedArrayBuffer;
  /** null: it has no signed zone. */
  readonly signing: SigningState | null;
}

/** One thread's way to answer. */
export interface Responder {
  readonly answer: Answer;
  /** Answers a query that control has explained: with a TXT of this RDATA, or as if there were no such name (null). */
  readonly explain: Explain;
  /** Starts using another book. */
  adopt(book: ServedBook): void;
  /** Starts using other challenges; null: there are none. */
  adoptChallenges(challenges: ServedBook | null): void;
  /** Answers queries of every kind from a book, and counts none, so that those of clients find the way paved. */
  warmUp(book: ServedBook, moment: number): void;
}

const NO_EXPLANATION = new Uint8Array(0);

/**
 * `book` null: every query gets SERVFAIL until one is adopted. `counters` is this thread's row, `samples` its ring; null:
 * nothing is sampled.
 */
export function createResponder(
  book: ServedBook | null,
  counters: Float64Array,
  options: AnswerOptions = defaultAnswerOptions,
  samples: Uint32Array | null = null,
): Responder {
  const state: AnswerState = {
    book: null,
    signatures: null,
    challenges: null,
    challengeSignatures: null,
    query: new Query(),
    reply: new Reply(),
    counters,
    options,
    explanation: null,
    cookies: options.cookies === null ? null : new Cookies(options.cookies.secrets),
    rateLimit: options.rateLimit === null ? null : new RateLimit(options.rateLimit),
    sampler: samples === null ? null : new Sampler(samples, options.sampleEvery),
  };
  const adopt = ({ memory, signing }: ServedBook): void => {
    state.book = new Book(memory);
    state.signatures = signing === null ? null : new Signatures(signing, counters);
  };
  if (book !== null) adopt(book);
  return {
    answer: (packet, length, client, transport, moment) =>
      answer(state, packet, length, client, transport, moment),
    explain: (packet, length, client, transport, moment, rdata) => {
      state.explanation = rdata ?? NO_EXPLANATION;
      try {
        return answer(state, packet, length, client, transport, moment);
      } finally {
        state.explanation = null;
      }
    },
    adopt,
    adoptChallenges: (next) => {
      state.challenges = next === null ? null : new Book(next.memory);
      state.challengeSignatures =
        next === null || next.signing === null ? null : new Signatures(next.signing, counters);
    },
    warmUp: (first, moment) => {
      warmUp(createResponder, first, options, moment);
    },
  };
}
