/** Makes tokens and knows whose they are, at the price of one scrypt for the first use of each. */

import { createHmac, randomBytes } from "node:crypto";
import type { Store, TokenGrant, TokenRecord } from "./store.ts";
import { hashSecret, idOf, isSecretOf, makeSecret, SCRYPT_COST } from "./token.ts";

/** So many secrets that were found right are remembered: more than there are people and programs at work on a node. */
const VERIFIED_MAX = 1_000;

/** So many secrets are looked at for one source at a time; all agents behind one address may come back at once. */
const TRIES_PER_SOURCE_MAX = 16;

/** And so many in all, three seconds' worth. */
const TRIES_MAX = 64;

/** Last uses are written so often: nobody asks for them to the second, and each write is one to the disk. */
const USES_KEPT_MS = 60_000;

/** Whose a secret is. */
export type Authentication =
  | { readonly kind: "known"; readonly token: TokenRecord }
  | { readonly kind: "unknown" }
  /** The secret may be right or not: nobody looked. */
  | { readonly kind: "expired"; readonly atMs: number }
  /** Too many are being looked at. */
  | { readonly kind: "busy" };

/** What a new token is to be. */
export interface TokenOrder {
  readonly name: string;
  readonly grant: TokenGrant;
  /** From this moment it lets nobody in; null: never. */
  readonly expiresMs: number | null;
}

/** A token that is not in the store yet. */
export interface NewToken {
  readonly token: TokenRecord;
  readonly hash: string;
  /** To be shown once, and kept by nobody but its owner. */
  readonly secret: string;
}

/** Makes a token. */
export async function newToken(
  order: TokenOrder,
  createdMs: number,
  cost: number = SCRYPT_COST,
): Promise<NewToken> {
  const { id, secret } = makeSecret();
  const hash = await hashSecret(secret, cost);
  return { token: { id, ...order, createdMs, usedMs: null }, hash, secret };
}

/** Whether a token lets its owner in at a moment. */
export function isValid({ expiresMs }: Pick<TokenRecord, "expiresMs">, nowMs: number): boolean {
  return expiresMs === null || nowMs < expiresMs;
}

/**
 * The tokens of a node.
 *
 * 1. A secret names its record, so at most one scrypt is done for it; for a secret of nobody there is none.
 * 2. Secrets that were right are remembered, in the form of a digest under a key that only this process has. Their
 *    records are looked up all the same, so a token that was removed, by whatever process, lets nobody in any more.
 * 3. One scrypt is done at a time, so that those who try secrets take one core at most, and a source has few under way,
 *    so that others come to their turn.
 */
export class TokenKeeper {
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly #cost: number;
  readonly #key = randomBytes(32);
  /** Ids by the digests of their secrets; the one used last at the end. */
  readonly #verified = new Map<string, string>();
  /** By the digests of the secrets: a page that asks ten things at once costs one scrypt. */
  readonly #tries = new Map<string, Promise<boolean>>();
  readonly #triesBySource = new Map<string, number>();
  #lastTry: Promise<unknown> = Promise.resolve();
  /** By id: uses that are not in the store yet. */
  readonly #uses = new Map<string, number>();
  #usesKeptMs = 0;

  /** `cost` is that of new hashes (`SCRYPT_COST`); each says its own. */
  constructor(store: Store, nowMs: () => number, cost: number = SCRYPT_COST) {
    this.#store = store;
    this.#nowMs = nowMs;
    this.#cost = cost;
  }

  /** Says whose a secret is; `source` is who shows it. */
  async authenticate(secret: string, source: string): Promise<Authentication> {
    const id = idOf(secret);
    const stored = id === null ? null : this.#store.tokens.find(id);
    if (id === null || stored === null) return { kind: "unknown" };
    const { expiresMs } = stored.token;
    if (expiresMs !== null && !isValid(stored.token, this.#nowMs()))
      return { kind: "expired", atMs: expiresMs };
    const digest = createHmac("sha256", this.#key).update(secret).digest("base64");
    if (this.#verified.get(digest) !== id) {
      const isRight = await this.#try(digest, source, () => isSecretOf(stored.hash, secret));
      if (isRight === null) return { kind: "busy" };
      // It may have been removed meanwhile.
      if (!isRight || !this.honours(stored.token)) return { kind: "unknown" };
    }
    this.#remember(digest, id);
    this.#uses.set(id, this.#nowMs());
    return { kind: "known", token: stored.token };
  }

  /** Whether a token that was let in would be again: it is there, and has not expired. */
  honours(token: TokenRecord): boolean {
    return isValid(token, this.#nowMs()) && this.#store.tokens.find(token.id) !== null;
  }

  /** All tokens, by name, with their last uses. */
  list(): readonly TokenRecord[] {
    return this.#store.tokens
      .list()
      .map((token) => ({ ...token, usedMs: this.#uses.get(token.id) ?? token.usedMs }));
  }

  /** Makes a token and returns its secret; null: the name is taken. */
  async add(order: TokenOrder, author: string): Promise<string | null> {
    const { token, hash, secret } = await newToken(order, this.#nowMs(), this.#cost);
    return this.#store.tokens.add(token, hash, author) ? secret : null;
  }

  /** False: there is no such token. */
  remove(name: string, author: string): boolean {
    return this.#store.tokens.remove(name, author, this.#nowMs());
  }

  /** Forgets secrets of tokens that let nobody in any more, and returns the ids of those that do. */
  prune(): ReadonlySet<string> {
    const valid = this.#store.tokens.list().filter((token) => isValid(token, this.#nowMs()));
    const ids = new Set(valid.map(({ id }) => id));
    for (const [digest, id] of this.#verified) if (!ids.has(id)) this.#verified.delete(digest);
    return ids;
  }

  /** Writes last uses, if it is time; `now`: whether or not. */
  keepUses(now = false): void {
    const nowMs = this.#nowMs();
    if (this.#uses.size === 0 || (!now && nowMs < this.#usesKeptMs + USES_KEPT_MS)) return;
    this.#usesKeptMs = nowMs;
    this.#store.tokens.saveUses(this.#uses);
    this.#uses.clear();
  }

  #remember(digest: string, id: string): void {
    this.#verified.delete(digest);
    this.#verified.set(digest, id);
    const [oldest] = this.#verified.keys();
    if (this.#verified.size > VERIFIED_MAX && oldest !== undefined) this.#verified.delete(oldest);
  }

  /** null: there are too many tries already. */
  async #try(digest: string, source: string, work: () => Promise<boolean>): Promise<boolean | null> {
    const running = this.#tries.get(digest);
    if (running !== undefined) return await running;
    const ofSource = this.#triesBySource.get(source) ?? 0;
    if (this.#tries.size >= TRIES_MAX || ofSource >= TRIES_PER_SOURCE_MAX) return null;
    this.#triesBySource.set(source, ofSource + 1);
    const trying = this.#lastTry.then(work);
    this.#tries.set(digest, trying);
    this.#lastTry = trying.catch(() => undefined);
    try {
      return await trying;
    } finally {
      this.#tries.delete(digest);
      const left = (this.#triesBySource.get(source) ?? 1) - 1;
      if (left > 0) this.#triesBySource.set(source, left);
      else this.#triesBySource.delete(source);
    }
  }
}
