/** What an operator decides about answering. */

import type { NodeConfig } from "../config/node.ts";
import type { Prefix } from "../wire/address.ts";
import type { RateLimitOptions } from "./rate-limit.ts";

/** Plain data, so that worker threads can be given it as it is. */
export interface AnswerOptions {
  /** What we are called in replies to who asks for it (RFC 5001); null: nothing. */
  readonly nsid: Uint8Array | null;
  readonly chaos: ChaosOptions;
  /** null: queries with cookies are answered as if they had none. */
  readonly cookies: CookieOptions | null;
  /** null: responses are not limited. */
  readonly rateLimit: RateLimitOptions | null;
  /** How many times as long as its query a reply over UDP may be without a valid cookie; null: any. */
  readonly maxAmplification: number | null;
  /** Where traffic is sampled: one of so many steered queries is. */
  readonly sampleEvery: number;
  /** How long a connection may idle, as clients that ask are told (RFC 7828). */
  readonly idleTimeoutMs: number;
}

/** What is told in class CH; null and none: nothing, to nobody. */
export interface ChaosOptions {
  readonly id: Uint8Array | null;
  readonly version: Uint8Array | null;
  /** Who may know from which book we answer. */
  readonly bookFor: readonly Prefix[];
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
  chaos: { id: null, version: null, bookFor: [] },
  cookies: null,
  rateLimit: null,
  maxAmplification: null,
  sampleEvery: 1,
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
  const { nsid, chaos, cookies, rateLimit, maxAmplification, profile, tcp } = node;
  return {
    nsid: octetsOf(nsid),
    chaos: { id: octetsOf(chaos.id), version: octetsOf(chaos.version), bookFor: chaos.bookFor },
    cookies: cookies.mode === "off" ? null : { secrets, required: cookies.mode === "require" },
    rateLimit: rateLimit === null ? null : { ...rateLimit, table, seed },
    maxAmplification,
    sampleEvery: profile?.sample ?? 1,
    idleTimeoutMs: tcp.idleTimeoutMs,
  };
}

function octetsOf(text: string | null): Uint8Array | null {
  return text === null ? null : Buffer.from(text);
}
