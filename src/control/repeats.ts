/** Requests that have a key, so that they can be sent again without being done again: what was answered to them. */

/** What was answered to a request. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** null: it has none. */
  readonly body: string | null;
}

/** A request as it is told from others. */
export interface KeyedRequest {
  /** Whose it is: the same key of somebody else is another one. */
  readonly sender: string;
  readonly key: string;
  /** A hash of all that the request asks for. */
  readonly fingerprint: string;
}

/** A request that has come before, under its sender and key. */
export interface KeptRequest {
  readonly fingerprint: string;
  /** null: nothing was answered to it yet. */
  readonly reply: Reply | null;
}

/** Where requests are kept. Calls are synchronous and durable when they return. */
export interface RepeatStore {
  /** Notes that a request has come, and returns null, unless one of this sender and key is there. Forgets what is too old or too many. */
  beginRequest(request: KeyedRequest, nowMs: number): KeptRequest | null;
  /** Keeps what was answered to it; null: forgets it, so that it may be sent again. */
  endRequest(request: KeyedRequest, reply: Reply | null): void;
}

/** For how long a reply is kept. */
export const REPLY_KEPT_MS: number = 24 * 3_600_000;

/** How many requests of one sender are kept; of more the oldest are forgotten. */
export const REPLIES_MAX = 1_000;

/** A longer one says all that is wrong with something large, and is worked out again. */
const BODY_LENGTH_MAX = 64 * 1024;

/** What is to be done with a request. */
export type Begun =
  /** Do it, and say how it has ended. */
  | { readonly kind: "first" }
  | { readonly kind: "repeat"; readonly reply: Reply }
  /** The key stands for another request. */
  | { readonly kind: "reused" }
  /** It is being done. */
  | { readonly kind: "under-way" }
  /** Control died while it was being done. */
  | { readonly kind: "unknown" };

/** Tells first requests from repeated ones. */
export class Repeats {
  readonly #store: RepeatStore;
  readonly #underWay = new Set<string>();

  constructor(store: RepeatStore) {
    this.#store = store;
  }

  begin(request: KeyedRequest, nowMs: number): Begun {
    const id = idOf(request);
    const kept = this.#store.beginRequest(request, nowMs);
    if (kept === null) {
      this.#underWay.add(id);
      return { kind: "first" };
    }
    if (kept.fingerprint !== request.fingerprint) return { kind: "reused" };
    if (kept.reply !== null) return { kind: "repeat", reply: kept.reply };
    return { kind: this.#underWay.has(id) ? "under-way" : "unknown" };
  }

  /** What went wrong on our side is not kept: to send it again may help. */
  end(request: KeyedRequest, reply: Reply): void {
    this.#underWay.delete(idOf(request));
    const isKept = reply.status < 500 && (reply.body?.length ?? 0) <= BODY_LENGTH_MAX;
    this.#store.endRequest(request, isKept ? reply : null);
  }
}

/** No key has a line feed in it. */
function idOf({ sender, key }: KeyedRequest): string {
  return `${sender}\n${key}`;
}
