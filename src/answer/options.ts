/** What an operator decides about answering. */

import type { NodeConfig } from "../config/config.ts";

/** Plain data, so that worker threads can be given it as it is. */
export interface AnswerOptions {
  /** What we are called in replies to who asks for it (RFC 5001); null: nothing. */
  readonly nsid: Uint8Array | null;
  /** null: queries with cookies are answered as if they had none. */
  readonly cookies: CookieOptions | null;
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
export const defaultAnswerOptions: AnswerOptions = { nsid: null, cookies: null, idleTimeoutMs: 10_000 };

/** The options that a config stands for; `secrets` are those of cookies. */
export function answerOptionsOf(
  { nsid, cookies, tcp }: NodeConfig,
  secrets: SharedArrayBuffer,
): AnswerOptions {
  return {
    nsid: nsid === null ? null : Buffer.from(nsid),
    cookies: cookies.mode === "off" ? null : { secrets, required: cookies.mode === "require" },
    idleTimeoutMs: tcp.idleTimeoutMs,
  };
}
