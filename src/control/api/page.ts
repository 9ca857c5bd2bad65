/** Long lists, a page at a time, and one of what they list. */

import Type from "typebox";
import { didYouMean } from "../../suggest.ts";
import { Failure } from "./errors.ts";
import { nullable, object } from "./schemas.ts";

/** How many entries come at once when nobody says. */
const LIMIT_DEFAULT = 100;

const LIMIT_MAX = 1_000;

/** Room for a cell of clients with the names of many regions. */
const AFTER_LENGTH_MAX = 4_000;

/** What a list is asked with. */
export interface PageQuery {
  readonly limit?: number;
  /** The `next` of the page before. */
  readonly after?: string;
}

const limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: LIMIT_MAX,
    default: LIMIT_DEFAULT,
    description: `a number of entries from 1 to ${LIMIT_MAX}`,
  }),
);
const pageBefore = "the `next` of the page before";
const afterName = Type.Optional(Type.String({ maxLength: AFTER_LENGTH_MAX, description: pageBefore }));
const afterSequence = Type.Optional(Type.String({ pattern: "^[0-9]{1,15}$", description: pageBefore }));

/** The query of a list with names, and what else it can be asked. */
export function pageQuery<Q extends PageQuery = PageQuery>(keys: Type.TProperties = {}): Type.TUnsafe<Q> {
  return Type.Unsafe<Q>(object({ limit, after: afterName, ...keys }));
}

/** The query of a list that goes by sequence, the newest first, and what else it can be asked. */
export function newestQuery<Q extends PageQuery = PageQuery>(keys: Type.TProperties = {}): Type.TUnsafe<Q> {
  return pageQuery<Q>({ after: afterSequence, ...keys });
}

/** What each list has beside its entries. */
export const next: Type.TUnion<[Type.TString, Type.TNull]> = nullable(
  Type.String({ description: "the `after` of the next page; null: this is the last" }),
);

/** Some entries of a list. */
interface Page<T> {
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

/** The entries that come before `after`, the newest first; `read` gives at most so many, of those before a sequence (null: all). */
export async function newestOf<T>(
  { limit, after }: PageQuery,
  read: (limit: number, before: number | null) => readonly T[] | Promise<readonly T[]>,
  sequenceOf: (entry: T) => number,
): Promise<Page<T>> {
  // One more than is shown tells whether there is another page.
  const found = await read(limitOf(limit) + 1, after === undefined ? null : Number(after));
  const entries = found.slice(0, limitOf(limit));
  const last = entries.at(-1);
  const isLast = last === undefined || entries.length === found.length;
  return { entries, next: isLast ? null : String(sequenceOf(last)) };
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
