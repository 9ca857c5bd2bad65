/** What an agent says of one probe. */

import type { VantageId, VipId } from "../config/config.ts";

/** The highest load that is taken: what is above it is no share of anything. */
export const LOAD_MAX = 100;

/** Why a probe failed; a closed list, because metrics and logs are grouped by it. */
export type ErrorClass =
  | "refused"
  | "unreachable"
  | "timeout"
  | "reset"
  | "tls"
  | "certificate"
  | "status"
  | "header"
  | "body"
  | "protocol"
  | "slow"
  | "inverted"
  /** Of real requests, which others have counted: too many failed. */
  | "errors";

/** One probe of one VIP from one vantage. */
export interface Report {
  readonly vantage: VantageId;
  readonly vip: VipId;
  /** When the probe ended, in milliseconds of the receiving node's clock. */
  readonly atMs: number;
  readonly outcome: Outcome;
}

/** What the probe saw. Times in milliseconds from the probe's start; null: that phase was not reached. */
export type Outcome =
  | {
      readonly kind: "success";
      readonly timings: Timings;
      /** How busy the VIP says it is, 0 to `LOAD_MAX`; 1: as busy as it can be. Null or absent: it does not say. */
      readonly load?: number | null;
    }
  | {
      readonly kind: "failure";
      readonly error: ErrorClass;
      /** What exactly, for people: `expected 200, got 503`. */
      readonly detail: string;
      readonly timings: Timings;
    };

export interface Timings {
  /** A TCP handshake or an ICMP echo: one round trip. */
  readonly connectMs: number | null;
  readonly tlsMs: number | null;
  readonly firstByteMs: number | null;
  /** To the end of the probe; not there: the agent is of a release that did not say. */
  readonly totalMs?: number;
}
