/** What an operator decides about answering. */

import type { NodeConfig } from "../config/config.ts";

/** Plain data, so that worker threads can be given it as it is. */
export interface AnswerOptions {
  /** What we are called in replies to who asks for it (RFC 5001); null: nothing. */
  readonly nsid: Uint8Array | null;
  /** How long a connection may idle, as clients that ask are told (RFC 7828). */
  readonly idleTimeoutMs: number;
}

/** What tests and tools start from: nothing that an operator has to ask for. */
export const defaultAnswerOptions: AnswerOptions = { nsid: null, idleTimeoutMs: 10_000 };

/** The options that a config stands for. */
export function answerOptionsOf({ nsid, tcp }: NodeConfig): AnswerOptions {
  return { nsid: nsid === null ? null : Buffer.from(nsid), idleTimeoutMs: tcp.idleTimeoutMs };
}
