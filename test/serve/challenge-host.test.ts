import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Challenges } from "../../src/book/challenges.ts";
import { ChallengeHost } from "../../src/serve/challenge-host.ts";
import { RRType } from "../../src/wire/codes.ts";
import { nameKey } from "../../src/wire/name.ts";
import { zoneOf } from "../answer/harness.ts";

const zone = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
_acme-challenge.a 300 TXT "of the file"
_acme-challenge.b 300 MX 10 ns
`);

/** Challenges at `_acme-challenge.a` and `.b`, each value with its end. */
function challenges(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>> = {},
): Challenges {
  const at = (label: string, values: Readonly<Record<string, number>>) => {
    const node = [...zone.nodes.values()].find(({ name }) =>
      Buffer.from(name).includes(`challenge\x01${label}`),
    );
    if (node === undefined) throw new Error(label);
    return {
      ...node,
      values: Object.entries(values).map(([value, untilMs]) => {
        return { rdata: Uint8Array.from([value.length, ...Buffer.from(value)]), untilMs };
      }),
    };
  };
  const soa = zone.nodes.get(nameKey(zone.apex))?.rrsets.get(RRType.SOA);
  if (soa === undefined) throw new Error("no SOA");
  const { apex, file } = zone;
  return { version: 1, signing: new Map(), zones: [{ apex, file, soa, names: [at("a", a), at("b", b)] }] };
}

class Lab {
  readonly folder: string = mkdtempSync(join(tmpdir(), "meridian-challenges-"));
  readonly path: string = join(this.folder, "challenges");
  readonly errors: string[] = [];
  nowMs = 1_000;
  /** How often a book was answered from. */
  books = 0;
  #book: Uint8Array | null = null;

  constructor() {
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  open(): ChallengeHost {
    const host = new ChallengeHost({
      path: this.path,
      host: {
        challenge: async (bytes) => {
          this.#book = bytes;
          this.books += 1;
        },
      },
      nowMs: () => this.nowMs,
      onError: (message) => this.errors.push(message),
    });
    onTestFinished(() => host.stop());
    return host;
  }

  /** Which of these stand in the book that is answered from. */
  answered(...values: readonly string[]): readonly string[] {
    const octets = Buffer.from(this.#book ?? []);
    return values.filter((value) => octets.includes(value));
  }

  async written(): Promise<void> {
    while (!readdirSync(this.folder).includes("challenges")) await sleep(1);
  }
}

describe("challenges in dns", () => {
  test("are answered beside what the zone has at their names", async () => {
    const lab = new Lab();
    await lab.open().answer(challenges({ one: 2_000, two: 2_000 }, { three: 2_000 }));
    expect(lab.answered("one", "two", "three", "of the file")).toEqual([
      "one",
      "two",
      "three",
      "of the file",
    ]);
  });

  test("end one by one, each when its time has come, though nobody says so", async () => {
    const lab = new Lab();
    const host = lab.open();
    await host.answer(challenges({ one: 1_020, two: 1_040 }, { three: 1_020 }));
    expect(lab.answered("one", "two", "three")).toEqual(["one", "two", "three"]);
    lab.nowMs = 1_020;
    while (lab.books < 2) await sleep(1);
    expect(lab.answered("one", "two", "three", "of the file")).toEqual(["two", "of the file"]);
    lab.nowMs = 1_040;
    while (lab.books < 3) await sleep(1);
    expect(lab.answered("two", "of the file")).toEqual([]);
    await sleep(150);
    expect(lab.books).toBe(3);
  });

  test("survive a restart, but for those that have ended meanwhile", async () => {
    const lab = new Lab();
    lab.open().take(challenges({ one: 2_000, two: 9_000 }));
    await lab.written();
    expect(statSync(lab.path).mode & 0o777).toBe(0o600);
    lab.nowMs = 2_000;
    await lab.open().load();
    expect(lab.answered("one", "two")).toEqual(["two"]);
    expect(lab.errors).toEqual([]);
  });

  test("that are gone are not there after a restart", async () => {
    const lab = new Lab();
    const host = lab.open();
    host.take(challenges({ one: 2_000 }));
    await lab.written();
    host.take(null);
    while (readdirSync(lab.folder).length > 0) await sleep(1);
    expect(lab.answered("one")).toEqual([]);
    const books = lab.books;
    await lab.open().load();
    expect([lab.books, lab.errors]).toEqual([books, []]);
  });

  test.each([
    ["that is broken", "no such thing"],
    ["that is empty", ""],
  ])("are none after a start with a file %s, which is told", async (_what, content) => {
    const lab = new Lab();
    writeFileSync(lab.path, content);
    await lab.open().load();
    expect([lab.books, lab.errors]).toEqual([0, ["the last challenges on disk cannot be read"]]);
  });

  test("that cannot be written are answered all the same", async () => {
    const lab = new Lab();
    rmSync(lab.folder, { recursive: true });
    const host = lab.open();
    host.take(challenges({ one: 2_000 }));
    await host.settled;
    while (lab.errors.length === 0) await sleep(1);
    expect(lab.answered("one")).toEqual(["one"]);
    expect(lab.errors).toEqual(["the challenges on disk are not those that are answered"]);
  });
});
