/** Every store keeps the same promises; see STYLE.md, Tests 4. */

import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MemberId, RegionId, VipId } from "../../src/config/config.ts";
import type { ChallengeEdit } from "../../src/control/challenge.ts";
import { type Action, type Override, overrideId } from "../../src/control/override.ts";
import { STEPS } from "../../src/control/schema.ts";
import { openSqliteStore } from "../../src/control/sqlite-store.ts";
import {
  describeGrant,
  type NewAuditEntry,
  type Store,
  type TokenGrant,
  type TokenRecord,
} from "../../src/control/store.ts";
import { hashSecret, idOf, isSecretOf, makeSecret } from "../../src/control/token.ts";
import type { DrillRecord } from "../../src/drill/drill.ts";
import type { Answer } from "../../src/steering/last-good.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-store-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

conformance("SQLite", () => openSqliteStore(join(folder, "meridian.db")));

/** What any store must do. `open` gives a new handle on the same store each time. */
function conformance(name: string, open: () => Store): void {
  describe(`the ${name} store`, () => {
    let store: Store;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => {
      store.close();
    });

    test("a new store has version 0 and nothing in it", () => {
      expect(store.version()).toBe(0);
      expect(store.overrides()).toEqual([]);
      expect(store.audit.list(10, null)).toEqual([]);
      expect(store.facts.verdicts()).toEqual([]);
      expect(store.tokens.list()).toEqual([]);
    });

    test("overrides of every kind come back as they were, also after a restart", () => {
      const overrides = actions.map((action) => override(action));
      expect(store.commit({ version: 1, set: overrides, ended: [], audit: [] })).toEqual({ kind: "stored" });
      const sorted = overrides.sort((a, b) => (a.id < b.id ? -1 : 1));
      expect(store.overrides()).toEqual(sorted);
      store.close();
      store = open();
      expect(store.overrides()).toEqual(sorted);
      expect(store.version()).toBe(1);
    });

    test("the last drills come back as they were, with their reports, the newest first", () => {
      for (let i = 1; i <= 203; i += 1) store.drills.save(drill(`d${i}`, i));
      store.drills.saveReport("d203", '{"verdict":"passed"}');
      store.drills.save({ ...drill("d203", 203), phase: "over" });
      store.close();
      store = open();
      const kept = store.drills.list();
      expect(kept).toHaveLength(200);
      expect(kept[0]).toEqual({ ...drill("d203", 203), phase: "over" });
      expect(kept.at(-1)?.id).toBe("d4");
      expect(store.drills.report("d203")).toBe('{"verdict":"passed"}');
      expect(store.drills.report("d202")).toBeNull();
      expect(store.drills.find("d203")).toEqual(kept[0]);
      expect(store.drills.find("d3")).toBeNull();
    });

    test("windows of a profile come back as they were, the oldest first, until they are dropped", () => {
      const query = {
        service: "www",
        region: null,
        moment: 1,
        qnameHash: 2,
        qtype: 1,
        prefixLength: 24,
        low: 0,
      };
      const window = (startSeconds: number) => ({
        startSeconds,
        queries: 300,
        samples: [{ ...query, isIpv6: false, high: startSeconds }],
      });
      for (const start of [600, 300, 900]) store.profile.saveWindow(window(start));
      store.profile.saveWindow({ ...window(600), queries: 500 });
      store.close();
      store = open();
      expect([...store.profile.windows(301)]).toEqual([{ ...window(600), queries: 500 }, window(900)]);
      store.profile.dropWindows(600);
      expect([...store.profile.windows(0)].map(({ startSeconds }) => startSeconds)).toEqual([600, 900]);
    });

    test("challenges come back as they were, one for each owner and value, and go one by one", () => {
      const first = { owner: "_acme-challenge.a.", value: "x", author: "anna", createdMs: 1, untilMs: 9 };
      const second = { ...first, value: "y" };
      const commit = (version: number, challenges: ChallengeEdit): unknown =>
        store.commit({ version, set: [], ended: [], challenges, audit: [] });
      commit(1, { set: [second, first], ended: [] });
      expect(store.challenges()).toEqual([first, second]);
      commit(2, { set: [{ ...first, untilMs: 20 }], ended: [second] });
      store.close();
      store = open();
      expect(store.challenges()).toEqual([{ ...first, untilMs: 20 }]);
    });

    test("an override replaces the one of the same id, and an ended one is gone", () => {
      const before = override({ kind: "drain", target: { by: "region", id: "eu-west" } });
      store.commit({ version: 1, set: [before], ended: [], audit: [] });
      const after = { ...before, reason: "still", untilMs: 9_000 };
      store.commit({ version: 2, set: [after], ended: [], audit: [] });
      expect(store.overrides()).toEqual([after]);
      store.commit({ version: 3, set: [], ended: [after.id], audit: [] });
      expect(store.overrides()).toEqual([]);
    });

    test.each([1, 4, 5])("version %i after version 5 is a conflict and writes nothing", (version) => {
      store.commit({ version: 5, set: [], ended: [], audit: [entry(5)] });
      const late = override({ kind: "drain", target: { by: "region", id: "eu-west" } });
      const outcome = store.commit({ version, set: [late], ended: [], audit: [entry(version)] });
      expect(outcome).toEqual({ kind: "conflict", current: 5 });
      expect(store.overrides()).toEqual([]);
      expect(store.audit.list(10, null)).toHaveLength(1);
    });

    test("two handles on one store see each other's version, so neither makes it twice", () => {
      const other = open();
      expect(store.commit({ version: 1, set: [], ended: [], audit: [] }).kind).toBe("stored");
      expect(other.commit({ version: 1, set: [], ended: [], audit: [] })).toEqual({
        kind: "conflict",
        current: 1,
      });
      expect(other.version()).toBe(1);
      other.close();
    });

    test("the audit list is read from the newest entry, page by page", () => {
      for (let version = 1; version <= 5; version += 1) {
        store.commit({ version, set: [], ended: [], audit: [entry(version)] });
      }
      const first = store.audit.list(2, null);
      expect(first.map((found) => found.version)).toEqual([5, 4]);
      const second = store.audit.list(2, first[1]!.sequence);
      expect(second.map((found) => found.version)).toEqual([3, 2]);
      const { sequence: _, ...content } = second[0]!;
      expect(content).toEqual(entry(3));
    });

    test("verdicts are replaced by VIP, and those of other VIPs can be forgotten", () => {
      const opinions = new Map([
        ["dublin", "unhealthy" as const],
        ["tokyo", "degraded" as const],
      ]);
      const down = {
        vip: "web/eu/ipv4",
        up: false,
        sinceMs: 5,
        recovering: false,
        flaps: 2,
        healthySinceMs: 8,
        opinions,
      };
      const up = { ...down, vip: "web/us/ipv4", up: true, recovering: true, healthySinceMs: null };
      store.facts.saveVerdicts([down, up]);
      store.facts.saveVerdicts([{ ...down, sinceMs: 7 }]);
      expect(store.facts.verdicts()).toEqual([{ ...down, sinceMs: 7 }, up]);
      store.facts.keepVerdicts(new Set([up.vip]));
      expect(store.facts.verdicts()).toEqual([up]);
    });

    test("plans that were good last come back as they were, and can be forgotten", () => {
      const plan: Answer = { kind: "answer", shares: [], spreads: null, sticky: null, lastResort: false };
      const shared: Answer = { ...plan, shares: [{ vip: "web/us/ipv4" as VipId, share: 1 / 3 }] };
      const claim = { member: "web/us" as MemberId, vip: null, wanted: 0.5, share: 0 };
      const sticky: Answer = { ...plan, sticky: { drawn: [], claims: [claim] } };
      store.facts.saveLastGood(
        new Map([
          ["a", plan],
          ["b", plan],
        ]),
      );
      store.facts.saveLastGood(
        new Map([
          ["b", shared],
          ["c", sticky],
        ]),
      );
      expect([...store.facts.lastGood()]).toEqual([
        ["a", plan],
        ["b", shared],
        ["c", sticky],
      ]);
      store.facts.keepLastGood((key) => key !== "b");
      expect([...store.facts.lastGood().keys()]).toEqual(["a", "c"]);
    });

    test("a token is found by its id, with the hash of its secret", () => {
      const token = tokenOf("ci", { role: "admin" });
      expect(store.tokens.add(token, "hash", "meridian")).toBe(true);
      expect(store.tokens.find(token.id)).toEqual({ token, hash: "hash" });
      expect(store.tokens.find("hash")).toBeNull();
    });

    test("a token carries its limits, its end and its last use", () => {
      const grants: readonly TokenGrant[] = [
        { role: "agent", vantage: "dublin" },
        { role: "signals", pools: ["web", "api"] },
        { role: "operator" },
        { role: "operator", scope: { zones: ["a.example", "b.example"], services: ["c.example"] } },
      ];
      const tokens = grants.map((grant) => ({
        ...tokenOf(describeGrant(grant), grant),
        expiresMs: 86_400_000,
      }));
      for (const token of tokens) store.tokens.add(token, `hash of ${token.name}`, "meridian");
      store.tokens.saveUses(
        new Map([
          ["id of operator", 8],
          ["id of nobody", 9],
        ]),
      );
      const used = tokens.map((token) => ({ ...token, usedMs: token.name === "operator" ? 8 : null }));
      expect(store.tokens.list()).toEqual(used.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
      expect(store.audit.list(1, null)[0]?.detail).toMatch(
        /\(operator for zones a.example, b.example and services c.example\) until 1970-01-02T00:00:00.000Z$/,
      );
    });

    test("a token's name is taken once, and both ends of its life are in the audit list", () => {
      const token = tokenOf("ci", { role: "reader" });
      store.tokens.add(token, "one", "anna");
      expect(store.tokens.add({ ...token, id: "another" }, "two", "anna")).toBe(false);
      expect(store.tokens.find("another")).toBeNull();
      expect(store.tokens.remove("ci", "bert", 9)).toBe(true);
      expect(store.tokens.remove("ci", "bert", 10)).toBe(false);
      expect(store.tokens.list()).toEqual([]);
      expect(store.audit.list(10, null).map(({ event, author, atMs }) => [event, author, atMs])).toEqual([
        ["token-removed", "bert", 9],
        ["token-added", "anna", 7],
      ]);
    });
  });
}

test("a store of the first schema keeps what it holds, and takes what came later", async () => {
  const path = join(folder, "meridian.db");
  const database = new DatabaseSync(path);
  database.exec(String(STEPS[0]));
  const secret = randomBytes(32).toString("base64url");
  const digest = createHash("sha256").update(secret).digest("hex");
  database.exec(`INSERT INTO tokens VALUES ('dublin', '${digest}', 'agent', 'dublin', 7)`);
  database.exec("PRAGMA user_version = 1");
  database.close();
  const store = openSqliteStore(path);
  const otto = tokenOf("otto", { role: "observer" });
  store.tokens.add(otto, "another", "anna");
  const dublin = { ...tokenOf("dublin", { role: "agent", vantage: "dublin" }), id: digest.slice(0, 16) };
  expect(store.tokens.list()).toEqual([dublin, otto]);
  // Nobody kept the secret, and it is as good as before, but what is stored of it takes time to try.
  const found = store.tokens.find(idOf(secret) ?? "");
  expect(found).toEqual({ token: dublin, hash: expect.stringMatching(/^\$scrypt\$ln=14,r=8,p=1\$/) });
  expect(await isSecretOf(found?.hash ?? "", secret)).toBe(true);
  expect(await isSecretOf(found?.hash ?? "", digest)).toBe(false);
  store.close();
});

test("a store that a newer release wrote is refused", () => {
  const path = join(folder, "meridian.db");
  openSqliteStore(path).close();
  const database = new DatabaseSync(path);
  database.exec("PRAGMA user_version = 999");
  database.close();
  expect(() => openSqliteStore(path)).toThrow(/schema 999/);
});

test("secrets have 256 bits and do not repeat", () => {
  const secrets = Array.from({ length: 100 }, makeSecret);
  for (const { id, secret } of secrets) {
    expect(Buffer.from(secret.slice(-43), "base64url")).toHaveLength(32);
    expect([secret.startsWith(`meridian_${id}_`), idOf(secret)]).toEqual([true, id]);
  }
  expect(new Set(secrets.flatMap(({ id, secret }) => [id, secret, secret.slice(-43)])).size).toBe(300);
});

test.each([
  "",
  "meridian_",
  "x".repeat(42),
  "x".repeat(44),
  `meridian_${"0".repeat(16)}_${"x".repeat(42)}`,
  "a b",
])("%j is the secret of no token", (secret) => expect(idOf(secret)).toBeNull());

test("two hashes of a secret are different, and both are its own", async () => {
  const { secret } = makeSecret();
  const [one, other] = [await hashSecret(secret, 4), await hashSecret(secret, 5)];
  expect(one.split("$").slice(0, 3)).toEqual(["", "scrypt", "ln=4,r=8,p=1"]);
  expect(one).not.toContain(other.split("$")[4]);
  for (const hash of [one, other]) {
    expect(await isSecretOf(hash, secret)).toBe(true);
    expect(await isSecretOf(hash, makeSecret().secret)).toBe(false);
  }
});

/** A token as it was when it was made. */
function tokenOf(name: string, grant: TokenGrant): TokenRecord {
  return { id: `id of ${name}`, name, grant, createdMs: 7, expiresMs: null, usedMs: null };
}

const actions: readonly Action[] = [
  { kind: "weight", target: { by: "member", id: "web/eu" }, weight: 0.5 },
  { kind: "weight", target: { by: "choice", id: "canary/new" }, weight: 20 },
  { kind: "weight", target: { by: "region", id: "eu-west" }, weight: 0 },
  { kind: "drain", target: { by: "member", id: "web/eu" } },
  { kind: "force", target: { by: "vip", id: "web/eu/ipv4" }, verdict: "down" },
  { kind: "force", target: { by: "region", id: "eu-west" }, verdict: "up" },
];

function override(action: Action): Override {
  return { id: overrideId(action), action, author: "anna", reason: "test", createdMs: 1, untilMs: null };
}

function entry(version: number): NewAuditEntry {
  const what = { event: "files-loaded" as const, detail: "meridian.yaml" };
  return { version, atMs: version * 10, author: "anna", reason: "because", ...what };
}

function drill(id: string, startedMs: number): DrillRecord {
  return {
    id,
    spec: {
      name: "eu-west-dies",
      action: { kind: "drain", target: { by: "region", id: "eu-west" as RegionId } },
      durationMs: 60_000,
      services: [],
      expect: { to: [], words: [], withinMs: null },
      guards: { regionsUp: 1, errorsAtMost: 0.1, loadAtMost: 1, quietElsewhere: true },
    },
    author: "ops",
    reason: "each Tuesday",
    startedMs,
    untilMs: startedMs + 60_000,
    services: [{ label: "www.example", boundMs: 12_000, objectiveMs: null, ttlSeconds: 5 }],
    vips: ["web/eu-west/ipv4" as VipId],
    downBefore: [],
    addresses: { ["web/eu-west/ipv4" as VipId]: "192.0.2.1" },
    phase: "running",
    ending: null,
    moments: [{ kind: "begun", atMs: startedMs }],
  };
}
