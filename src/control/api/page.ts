/** Long lists, a page at a time, and one of what they list. */

import Type from "typebox";
import { didYouMean } from "../../suggest.ts";
import { Failure } from "./errors.ts";

/** How many entries come at once when nobody says. */
const LIMIT_DEFAULT = 100;

const LIMIT_MAX = 1_000;

/** How many entries a list gives at most. */
export const limitText: Type.TInteger = Type.Integer({
  minimum: 1,
  maximum: LIMIT_MAX,
  default: LIMIT_DEFAULT,
  description: `a number of entries from 1 to ${LIMIT_MAX}`,
});

/** What `after` is in lists that go by sequence, the newest first. */
export const sequenceText: Type.TString = Type.String({
  pattern: "^[0-9]{1,15}$",
  description: "the `next` of the page before",
});

/** What a list is asked with. */
export interface PageQuery {
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly after?: string;
}

const pageKeys = {
  limit: Type.Optional(limitText),
  after: Type.Optional(Type.String({ maxLength: 600, description: "the `next` of the page before" })),
};

/** The query of a list with names. */
export const pageQuery: Type.TUnsafe<PageQuery> = pageQueryWith<PageQuery>({});

/** The query of such a list that can be asked for more than its page. */
export function pageQueryWith<Q extends PageQuery>(keys: Type.TProperties): Type.TUnsafe<Q> {
  return Type.Unsafe<Q>(Type.Object({ ...pageKeys, ...keys }, { additionalProperties: false }));
}

/** Some entries of a list. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** What to ask for the page after this one with; null: there is none. */
  readonly next: string | null;
}

/** The entries that follow the one named by `after`. */
export function pageOf<T>(
  all: readonly T[],
  nameOf: (entry: T) => string,
  { limit, after }: PageQuery,
): Page<T> {
  const start = after === undefined ? 0 : all.findIndex((entry) => nameOf(entry) === after) + 1;
  if (start === 0 && after !== undefined) {
    throw new Failure(404, `there is no "${after}" to go on after; begin again without it`);
  }
  const entries = all.slice(start, start + limitOf(limit));
  const last = entries.at(-1);
  const isLast = last === undefined || start + entries.length === all.length;
  return { entries, next: isLast ? null : nameOf(last) };
}

/** A limit, or what it is when nobody says. */
export function limitOf(limit: number | undefined): number {
  return limit ?? LIMIT_DEFAULT;
}

/** Where one thing of a list is. */
export function itemUrl(list: string, id: string): string {
  return `/v1/${list}/${encodeURIComponent(id)}`;
}

/** The one of this name; 404 when there is none. */
export function itemOf<T>(what: string, all: readonly T[], nameOf: (one: T) => string, id: string): T {
  const found = all.find((one) => nameOf(one) === id);
  if (found !== undefined) return found;
  throw new Failure(404, `there is no ${what} "${id}"${didYouMean(id, all.map(nameOf))}`);
}
