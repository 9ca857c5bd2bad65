import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { FORWARD } from "../../src/answer/forward.ts";
import type * as Responder from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { LinkedModules, readModules } from "../../src/serve/linked.ts";
import { counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { Packet } from "../../src/wire/packet.ts";
import { makeSeeds, PACKET_MAX, writeMutant } from "../conformance/fuzz.ts";
import { tortureServer } from "../conformance/torture-server.ts";
import { randomFrom } from "../e2e/random.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-linked-"));
afterAll(() => rmSync(folder, { recursive: true }));

function load(url: string): Readonly<Record<string, unknown>> {
  return new LinkedModules(readModules(url)).load(url);
}

/** Writes modules and loads the one called `main.ts`. */
function linked(sources: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
  for (const [name, source] of Object.entries(sources)) writeFileSync(join(folder, name), source);
  return load(pathToFileURL(join(folder, "main.ts")).href);
}

test("a linked responder answers as one that was imported: 20,000 mutated queries, octet by octet", () => {
  const server = tortureServer();
  const url = new URL("../../src/answer/responder.ts", import.meta.url).href;
  const { createResponder } = load(url) as typeof Responder;
  const counters = counterRow(newCounters(1), 0);
  const responder = createResponder(server.served, counters, server.options);
  const random = randomFrom(7);
  const seeds = makeSeeds(random, 1_024);
  const octets = new Uint8Array(2 * PACKET_MAX);
  const [one, other] = [Buffer.alloc(65_535), Buffer.alloc(65_535)];
  const [onePacket, otherPacket] = [new Packet(one), new Packet(other)];
  let answered = 0;
  for (let i = 0; i < 20_000; i += 1) {
    const query = octets.subarray(0, writeMutant(octets, seeds, random));
    one.set(query);
    other.set(query);
    const length = server.answer(onePacket, query.length, Transport.Udp, 1);
    expect(responder.answer(otherPacket, query.length, server.client, Transport.Udp, 1)).toBe(length);
    if (length === 0 || length === FORWARD) continue;
    answered += 1;
    if (one.compare(other, 0, length, 0, length) !== 0)
      expect(other.subarray(0, length)).toEqual(one.subarray(0, length));
  }
  expect(answered).toBeGreaterThan(10_000);
  expect(counters).toEqual(server.counters);
});

test("every form of import and export that modules have", () => {
  const { sum, Thing, where, numbers, late } = linked({
    "main.ts": `import assert from "node:assert/strict";
import { join as joined } from "node:path";
import {
  type Shape,
  three,
  two as second,
} from "./parts.ts";

export function sum(): number {
  assert(three === 3);
  return three + second;
}
export const where: string = joined(import.meta.url, "..");
export class Thing implements Shape {
  readonly sides = 3;
}
export function* numbers(): Generator<number> {
  yield second;
}
export async function late(): Promise<number> {
  return three;
}
export type Unused = string;
`,
    "parts.ts": `export interface Shape { readonly sides: number }
export const two: number = 2;
export const three = 3 as const;
`,
  }) as {
    readonly sum: () => number;
    readonly Thing: new () => { readonly sides: number };
    readonly where: string;
    readonly numbers: () => Iterable<number>;
    readonly late: () => Promise<number>;
  };
  expect(sum()).toBe(5);
  expect(new Thing().sides).toBe(3);
  expect(where).toContain("meridian-linked-");
  expect([...numbers()]).toEqual([2]);
  return expect(late()).resolves.toBe(3);
});

test("a module is loaded once, and a stack trace tells file and line as they are", () => {
  const { pair, fail } = linked({
    "main.ts": `import {
  one,
} from "./one.ts";
import { two } from "./two.ts";
export const pair: readonly object[] = [one, two];
export const fail = (): never => {
  throw new Error("here");
};
`,
    "one.ts": `import { shared } from "./shared.ts";\nexport const one = shared;\n`,
    "two.ts": `import { shared } from "./shared.ts";\nexport const two = shared;\n`,
    "shared.ts": "export const shared = {};\n",
  }) as { readonly pair: readonly object[]; readonly fail: () => never };
  expect(pair[0]).toBeTypeOf("object");
  expect(pair[0]).toBe(pair[1]);
  let stack = "";
  try {
    fail();
  } catch (error) {
    stack = (error as Error).stack ?? "";
  }
  expect(stack).toContain(`${join(folder, "main.ts")}:7:9`);
});

test.each([
  ['import * as all from "./parts.ts";\n', "import * as all"],
  ["export let changing = 1;\n", "export let changing"],
  ["export default 3;\n", "export default 3"],
  ['import { itself } from "./main.ts";\nexport const other = itself;\n', "imports itself"],
])("%j cannot be linked, and is said to be so", (source, said) => {
  expect(() => linked({ "main.ts": source, "parts.ts": "" })).toThrow(said);
});
