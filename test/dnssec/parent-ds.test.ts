/** What the DS at the parent means for a rollover. */

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { dnskeyRdata, dsRdata, keyTag } from "../../src/dnssec/dnskey.ts";
import { judgeParent, type KnownKey, type Look, type ServerView } from "../../src/dnssec/parent-ds.ts";
import { nameKey } from "../../src/wire/name.ts";
import { nameOf } from "./zone-text.ts";

const apex = nameOf("gslb.example.");

function key(seed: number): KnownKey & { readonly ds: Uint8Array } {
  const dnskey = dnskeyRdata(Algorithm.Ed25519, new Uint8Array(32).fill(seed));
  return { algorithm: Algorithm.Ed25519, tag: keyTag(dnskey), dnskey, ds: dsRdata(apex, dnskey) };
}

const [old, fresh, foreign] = [key(1), key(2), key(3)];

/** The same DS with another digest type, and its digest. */
function withDigest(ds: Uint8Array, type: number, digest: Uint8Array): Uint8Array {
  return Uint8Array.of(...ds.subarray(0, 3), type, ...digest);
}
const sha384 = createHash("sha384").update(nameKey(apex), "latin1").update(fresh.dnskey!).digest();

const has = (...ds: readonly Uint8Array[]): ServerView => ({
  kind: "answered",
  server: "ns",
  ds,
  ttlSeconds: 60,
});
const none: ServerView = { kind: "answered", server: "ns", ds: [], ttlSeconds: null };
const silent: ServerView = { kind: "silent", server: "ns2", problem: "no answer in time" };

function judge(servers: readonly ServerView[], from: readonly KnownKey[] = [old]): Look {
  return judgeParent({ atMs: 1, servers, problem: null }, apex, from, [fresh]);
}

describe("the DS at the parent is", () => {
  test.each<[kind: Look["kind"], what: string, servers: readonly ServerView[]]>([
    ["right", "new's at every server", [has(fresh.ds), has(fresh.ds)]],
    ["right", "new's with SHA-384", [has(withDigest(fresh.ds, 4, sha384))]],
    ["right", "new's beside one that is not ours", [has(fresh.ds, foreign.ds)]],
    ["other", "both", [has(fresh.ds, old.ds)]],
    ["old", "old's at one server", [has(fresh.ds), has(old.ds)]],
    ["old", "old's, whatever its digest", [has(withDigest(old.ds, 4, new Uint8Array(48)))]],
    ["old", "old's at one server, while another is silent", [silent, has(old.ds)]],
    ["other", "of new's tag, with another digest", [has(withDigest(fresh.ds, 2, new Uint8Array(32)))]],
    [
      "other",
      "of new with SHA-1, which is no more to be trusted",
      [has(withDigest(fresh.ds, 1, new Uint8Array(20)))],
    ],
    ["other", "of nobody we know", [has(foreign.ds)]],
    ["other", "gone from one server", [has(fresh.ds), none]],
    ["none", "gone", [none, none]],
    ["unknown", "unknown while a server is silent", [has(fresh.ds), silent]],
    ["unknown", "unknown while a server is silent and the others have none", [none, silent]],
    ["unknown", "unknown without servers", []],
  ])("%s: %s", (kind, _what, servers) => {
    expect(judge(servers).kind).toBe(kind);
  });

  test("never that of a key whose file is gone", () => {
    expect(
      judgeParent(
        { atMs: 1, servers: [has(fresh.ds)], problem: null },
        apex,
        [],
        [{ ...fresh, dnskey: null }],
      ),
    ).toMatchObject({ kind: "other", why: `ns has the DS of ${fresh.tag}` });
  });
});

test("a TTL counts only when every server has said its own", () => {
  expect(judge([has(fresh.ds), silent]).ttlSeconds).toBeNull();
  expect(judge([{ ...has(fresh.ds), ttlSeconds: 30 } as ServerView, has(fresh.ds)]).ttlSeconds).toBe(60);
});
