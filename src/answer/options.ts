/** What an operator decides about answering. */

import type { NodeConfig } from "../config/config.ts";
import type { RateLimitOptions } from "./rate-limit.ts";

/** Plain data, so that worker threads can be given it as it is. */
export interface AnswerOptions {
  /** What we are called in replies to who asks for it (RFC 5001); null: nothing. */
  readonly nsid: Uint8Array | null;
  /** null: queries with cookies are answered as if they had none. */
  readonly cookies: CookieOptions | null;
  /** null: responses are not limited. */
  readonly rateLimit: RateLimitOptions | null;
  /** How many times as long as its query a reply over UDP may be without a valid cookie; null: any. */
  readonly maxAmplification: number | null;
  /** How long a connection may idle, as clients that ask are told (RFC 7828). */
  readonly idleTimeoutMs: number;
}

/** How DNS Cookies are used (RFC 7873). */
interface CookieOptions {
  /** Made by `newSecretMemory`. */
  readonly secrets: SharedArrayBuffer;
  /** Whether a client that does cookies must show one of ours on UDP before it is answered. */
  readonly required: boolean;
}

/** What tests and tools start from: nothing that an operator has to ask for. */
export const defaultAnswerOptions: AnswerOptions = {
  nsid: null,
  cookies: null,
  rateLimit: null,
  maxAmplification: null,
  idleTimeoutMs: 10_000,
};

/** What a config cannot say: memory that threads share, and chance. */
export interface AnswerMeans {
  /** Of cookies. */
  readonly secrets: SharedArrayBuffer;
  /** Of the rate limit. */
  readonly table: SharedArrayBuffer;
  readonly seed: number;
}

/** The options that a config stands for. */
export function answerOptionsOf(node: NodeConfig, { secrets, table, seed }: AnswerMeans): AnswerOptions {
  const { nsid, cookies, rateLimit, maxAmplification, tcp } = node;
  return {
    nsid: nsid === null ? null : Buffer.from(nsid),
    cookies: cookies.mode === "off" ? null : { secrets, required: cookies.mode === "require" },
    rateLimit: rateLimit === null ? null : { ...rateLimit, table, seed },
    maxAmplification,
    idleTimeoutMs: tcp.idleTimeoutMs,
  };
}
