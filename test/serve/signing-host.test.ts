/** The thread that signs ahead: what it makes, what it lets go, and that it comes back when it dies. */

import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test } from "vitest";
import type { ServedBook } from "../../src/answer/responder.ts";
import type { Round } from "../../src/answer/sign-ahead.ts";
import { applyPatches, PatchWriter } from "../../src/book/patch.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { SignatureTable } from "../../src/dnssec/signature-table.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import { SigningHost } from "../../src/serve/signing-host.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { nameKey } from "../../src/wire/name.ts";
import { planOf, Server, serviceOf, vipOf, zoneOf } from "../answer/harness.ts";
import { keyOf, withKeys } from "../answer/validator.ts";
import { until } from "./until.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-signing-"));
let hosts: SigningHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.map((host) => host.stop()));
  hosts = [];
});
afterAll(() => rmSync(folder, { recursive: true }));

const signing: Signing = { validitySeconds: 86_400, keys: [keyOf(Algorithm.Ed25519)] };

/** A book of so many names, with a table for its signatures. */
async function bookFor(host: SigningHost, names: number, keys = signing): Promise<ServedBook> {
  const labels = Array.from({ length: names }, (_, i) => `n${i} A 192.0.2.1`).join("\n");
  const zone = zoneOf(`$ORIGIN a.test.\n$TTL 60\n@ SOA a b 1 2 3 4 5\n@ NS a\na A 192.0.2.2\n${labels}\n`);
  const whole = withKeys(zone, signing);
  const { memory } = new Server([whole], [], [], {}, new Map([[nameKey(zone.apex), keys]])).served;
  const { signing: state } = await host.prepare(memory);
  return { memory, signing: { table: state!.table, zones: [keys] } };
}

/** What a host has told. */
interface Told {
  readonly host: SigningHost;
  readonly tables: SharedArrayBuffer[];
  readonly rounds: Round[];
  readonly losses: string[];
}

function newHost(): Told {
  const told: Told = { host: new SigningHost(folder), tables: [], rounds: [], losses: [] };
  hosts.push(told.host);
  return told;
}

function begin({ host, tables, rounds, losses }: Told): Promise<void> {
  return host.begin({
    table: (table) => tables.push(table),
    round: (round) => rounds.push(round),
    lost: (reason) => losses.push(reason),
  });
}

test("signs the book in force, into a table that readers are told of", async () => {
  const told = newHost();
  await told.host.use(await bookFor(told.host, 1_000));
  await begin(told);
  expect(told.rounds).toMatchObject([{ left: 0, validitySeconds: 86_400 }]);
  expect(told.rounds[0]!.ready).toBeGreaterThan(2_000);
  expect(told.tables.map((table) => new SignatureTable(table).prepared)).toEqual([told.rounds[0]!.ready]);
});

test("has let go of a book once it says that it took the next", async () => {
  const told = newHost();
  const books = [await bookFor(told.host, 5_000), await bookFor(told.host, 10)];
  await told.host.use(books[0]!);
  const begun = begin(told);
  await told.host.use(books[1]!);
  new Uint8Array(books[0]!.memory).fill(0xff);
  await begun;
  await until(() => told.rounds.length > 0);
  expect(told.rounds.at(-1)!.ready).toBeLessThan(100);
  expect(told.losses).toEqual([]);
});

test("signs what a patch brings, where answers have several VIPs at once", async () => {
  const told = newHost();
  const vips = [1, 2, 3, 4].map((i) => vipOf(`192.0.2.${i}`));
  const planWith = (count: number): Plan => {
    const shares = vips.map(({ id }) => ({ vip: id, share: 1 / 4 }));
    return { kind: "answer", shares, spreads: [{ count, shares }], sticky: null, lastResort: false };
  };
  const zone = withKeys(
    zoneOf("$ORIGIN a.test.\n@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\na 60 A 192.0.2.9\n"),
    signing,
  );
  const service = serviceOf("www.a.test.", [{ ipv4: planWith(2), ipv6: planOf({}) }]);
  const server = new Server([zone], [service], vips, {}, new Map([[nameKey(zone.apex), signing]]));
  const { signing: state } = await told.host.prepare(server.memory);
  await told.host.use({ memory: server.memory, signing: { table: state!.table, zones: [signing] } });
  await begin(told);
  const table = new SignatureTable(told.tables.at(-1) ?? state!.table);
  const { prepared } = table;
  const patch = new PatchWriter(server.compiled.directory).put(0, 0, 4, planWith(3), 5).packed;
  applyPatches(new Uint32Array(server.memory), patch);
  told.host.patched();
  await until(() => table.prepared === prepared + 4);
  expect(told.rounds).toHaveLength(1);
});

test("comes back when it dies, and nobody waits for it meanwhile", async () => {
  const told = newHost();
  const { publicKey } = generateKeyPairSync("ed25519");
  const broken: Signing = { ...signing, keys: [{ ...signing.keys[0]!, privateKey: publicKey }] };
  await told.host.use(await bookFor(told.host, 10, broken));
  await begin(told);
  await until(() => told.losses.length > 0);
  expect(told.rounds).toEqual([]);
  await told.host.use(await bookFor(told.host, 10));
  await until(() => told.rounds.length > 0);
  expect(told.rounds[0]!.made).toBeGreaterThan(20);
});

test("has nothing to wait for where nothing is signed", async () => {
  const told = newHost();
  const { memory } = new Server([
    zoneOf("$ORIGIN a.test.\n@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\na 60 A 192.0.2.2\n"),
  ]).served;
  await told.host.use({ memory, signing: null });
  await begin(told);
  expect(told.rounds).toEqual([]);
});
