/** What a thread holds ready for its queries. */

import type { Book } from "../book/book.ts";
import type { Query } from "../wire/query.ts";
import type { Cookies } from "./cookie.ts";
import type { AnswerOptions } from "./options.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { Reply } from "./reply.ts";
import type { Sampler } from "./sampler.ts";
import type { Signatures } from "./signatures.ts";

export interface AnswerState {
  /** null until the first book is there. */
  book: Book | null;
  /** null: the book has no signed zone. */
  signatures: Signatures | null;
  /** The TXT RRsets at `_acme-challenge` names that come and go without another book; null: there are none. */
  challenges: Book | null;
  /** null: no zone with challenges is signed. */
  challengeSignatures: Signatures | null;
  readonly query: Query;
  readonly reply: Reply;
  readonly counters: Float64Array;
  readonly options: AnswerOptions;
  /** RDATA of the TXT that control has for this query, which asks why; empty: none; null: control is to be asked. */
  explanation: Uint8Array | null;
  /** null: cookies are off. */
  readonly cookies: Cookies | null;
  /** null: responses are not limited. */
  readonly rateLimit: RateLimit | null;
  /** null: there is no profile of traffic. */
  readonly sampler: Sampler | null;
}
