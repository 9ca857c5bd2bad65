/** What the parent's servers have for DS, held against the keys that go and those that come. */

import { u8, u16 } from "../wire/bytes.ts";
import type { Name } from "../wire/name.ts";
import { isDsOf } from "./dnskey.ts";
import type { KeyRef } from "./key-name.ts";

/** What one server of the parent said. */
export type ServerView =
  /** RDATAs of its DS RRset, none where there is no such RRset, and then without a TTL. */
  | {
      readonly kind: "answered";
      readonly server: string;
      readonly ds: readonly Uint8Array[];
      readonly ttlSeconds: number | null;
    }
  | { readonly kind: "silent"; readonly server: string; readonly problem: string };

/** What all of them said. */
export interface ParentView {
  readonly atMs: number;
  /** None where nobody knows them; `problem` says why. */
  readonly servers: readonly ServerView[];
  readonly problem: string | null;
}

/** What that means for a rollover. */
export interface Look {
  /**
   * right: every server has a DS of a key that comes, and none of one that goes. old: a server has a DS of a key that goes and none
   * of one that comes. none: no server has any DS. unknown: not every server answered. other: anything else.
   */
  readonly kind: "right" | "old" | "other" | "none" | "unknown";
  readonly atMs: number;
  /** The largest TTL of a DS RRset; null: none was seen, or not every server answered, so that there may be a larger one. */
  readonly ttlSeconds: number | null;
  /** For people, in a clause. */
  readonly why: string;
}

/** A key with the RDATA of its DNSKEY; null: its file is gone. */
export interface KnownKey extends KeyRef {
  readonly dnskey: Uint8Array | null;
}

/** Judges what the parent has. */
export function judgeParent(
  view: ParentView,
  apex: Name,
  from: readonly KnownKey[],
  to: readonly KnownKey[],
): Look {
  const { atMs, servers, problem } = view;
  const answered = servers.filter((server) => server.kind === "answered");
  const ttls = answered.flatMap(({ ttlSeconds }) => ttlSeconds ?? []);
  const isWhole = answered.length === servers.length && ttls.length > 0;
  const ttlSeconds = isWhole ? Math.max(...ttls) : null;
  const look = (kind: Look["kind"], why: string): Look => ({ kind, atMs, ttlSeconds, why });
  const has = (ds: readonly Uint8Array[], keys: readonly KnownKey[]): boolean =>
    keys.some((key) => ds.some((rdata) => isDsOf(rdata, apex, key.dnskey)));
  const names = (ds: readonly Uint8Array[]): string =>
    ds.length === 0 ? "no DS" : `the DS of ${tags(ds.map((rdata) => u16(rdata, 0)))}`;

  const old = answered.find(({ ds }) => hasLeft(ds, from) && !has(ds, to));
  if (old !== undefined) return look("old", `${old.server} has ${names(old.ds)}`);
  const other = answered.find(({ ds }) => !has(ds, to) || hasLeft(ds, from));
  const silent = servers.find((server) => server.kind === "silent");
  if (other !== undefined) {
    if (answered.some(({ ds }) => ds.length > 0))
      return look("other", `${other.server} has ${names(other.ds)}`);
    if (silent === undefined) return look("none", "the parent has no DS at all, so nobody validates");
  }
  if (silent !== undefined) return look("unknown", `${silent.server} does not say: ${silent.problem}`);
  if (answered.length === 0) return look("unknown", problem ?? "the parent has no servers");
  return look("right", `the parent has the DS of ${tags(to.map(({ tag }) => tag))}`);
}

/** Whatever its digest is: where the tag is right, somebody may go by it. */
function hasLeft(ds: readonly Uint8Array[], from: readonly KnownKey[]): boolean {
  return ds.some((rdata) =>
    from.some(({ tag, algorithm }) => u16(rdata, 0) === tag && u8(rdata, 2) === algorithm),
  );
}

/** Each tag once. */
export function tags(list: readonly number[]): string {
  return [...new Set(list)].join(", ");
}
