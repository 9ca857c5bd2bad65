/** What dns and control tell each other, over the channel between parent and child process. */

import type { Challenges } from "./challenges.ts";

/** From control to dns. */
export type ToDns =
  /** Control has started: everything is loaded. */
  | { readonly kind: "ready" }
  /** There is work that answers wait for, or much of it: they are to leave it time for the next half a second. */
  | { readonly kind: "room" }
  /** A whole book lies at `path`. */
  | { readonly kind: "adopt"; readonly version: number; readonly path: string }
  /** New plans for the book of that version, packed; dropped when dns serves another. */
  | { readonly kind: "patch"; readonly version: number; readonly packed: Uint32Array }
  /** What is due next; null: nothing is. */
  | { readonly kind: "due"; readonly due: DuePlans | null }
  | { readonly kind: "counters"; readonly request: number }
  /** Asks for the samples of traffic that have come in since the last time. */
  | { readonly kind: "samples"; readonly request: number }
  /** The book on disk holds every patch that was sent before. */
  | { readonly kind: "saved" }
  /** Challenges to answer from now on, each until its end; null: there are none. */
  | { readonly kind: "challenges"; readonly challenges: Challenges | null }
  /** A message of the reply to a forwarded request; null: there is nothing to say. The next one waits for `next`. */
  | {
      readonly kind: "reply";
      readonly request: number;
      readonly message: Uint8Array | null;
      readonly isLast: boolean;
    }
  /** What TXT says to a query that asks why, as RDATA; null: the name is not steered. */
  | { readonly kind: "explanation"; readonly request: number; readonly rdata: Uint8Array | null };

/** Plans for the book of that version, packed, that come into force at a time without another word. */
export interface DuePlans {
  readonly version: number;
  readonly atMs: number;
  readonly packed: Uint32Array;
}

/** From dns to control. */
export type ToControl = ToPublisher | FromClient;

/** About books. */
export type ToPublisher =
  /** First message: the version dns serves already, 0 for none. */
  | { readonly kind: "hello"; readonly version: number }
  | { readonly kind: "adopted"; readonly version: number }
  | { readonly kind: "refused"; readonly version: number; readonly reason: string }
  /** Asks that the files be read now, whether they have changed or not. */
  | { readonly kind: "reload" }
  /** Asks that the book on disk be brought up to date now. */
  | { readonly kind: "save" }
  /** Sums over all threads, in the order of `Counter`, then one for each region number. */
  | { readonly kind: "counters"; readonly request: number; readonly values: readonly number[] }
  /** As `telemetry/samples.ts` lays them out, and how many more there were. */
  | {
      readonly kind: "samples";
      readonly request: number;
      readonly words: Uint32Array;
      readonly dropped: number;
    };

/** About requests that control answers. */
export type FromClient =
  | ForwardedRequest
  /** A query for TXT that asks why the name behind its first label is answered as it is. */
  | {
      readonly kind: "explain";
      readonly request: number;
      readonly octets: Uint8Array;
      readonly source: Uint8Array;
    }
  /** The client has taken the last message. */
  | { readonly kind: "next"; readonly request: number }
  /** The client waits no more. */
  | { readonly kind: "gone"; readonly request: number };

/** A request that dns cannot answer by itself: UPDATE, a transfer, or a query whose response is to be signed. */
export interface ForwardedRequest {
  readonly kind: "request";
  /** The number by which both speak of it. */
  readonly request: number;
  readonly octets: Uint8Array;
  /** The client's address, 4 or 16 octets. */
  readonly source: Uint8Array;
  /** Whether the reply may have several messages, and long ones. */
  readonly isStream: boolean;
  /** The version of TLS that it came by, as in `TLSv1.3`; null: without TLS. */
  readonly tls: string | null;
  /** The response to a query, to be signed if the query was rightly; null: control makes it. */
  readonly response: Uint8Array | null;
}
