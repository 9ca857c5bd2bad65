import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import type { CompiledBook } from "../../src/book/compile.ts";
import { compileBook } from "../../src/book/compile.ts";
import { PatchWriter } from "../../src/book/patch.ts";
import { checkFolder } from "../../src/control/check-folder.ts";
import { Planner } from "../../src/control/planner.ts";
import { emptiness, Publisher } from "../../src/control/publish.ts";
import type { Snapshot } from "../../src/control/snapshot.ts";
import { release } from "../../src/wire/sink.ts";
import { factsOf } from "../steering/world.ts";
import { Dns, Folder, GB, until } from "./test-node.ts";

const EU = "10.0.0.2";
const EAST = "10.0.0.1";
const WWW = "www.test.example";

/** A publisher with its dns, and books to publish. */
function open(rewriteMs = 20): {
  readonly folder: Folder;
  readonly dns: Dns;
  readonly errors: unknown[];
  readonly publisher: Publisher;
  book(version: number): CompiledBook;
} {
  const folder = new Folder();
  const dns = new Dns();
  const errors: unknown[] = [];
  const publisher = new Publisher({
    folder: folder.file("state"),
    send: dns.receive,
    onError: (error) => errors.push(error),
    rewriteMs,
  });
  dns.tell = (message) => publisher.receive(message);
  dns.tell({ kind: "hello", version: 0 });
  const planner = plannerOf(checkFolder(folder.path).value!);
  return { folder, dns, errors, publisher, book: (version) => compileBook(planner.content(version)) };
}

describe("a book", () => {
  test("that is adopted is in force, and on disk in place of the one before", async () => {
    const { dns, publisher, book, folder } = open();
    expect(await publisher.publish(1, book(1))).toEqual({ kind: "adopted" });
    expect(publisher.versionServed).toBe(1);
    expect(dns.addresses(WWW, GB)).toEqual([EU]);
    await publisher.save();
    expect(await new Dns().host.adopt(folder.file("state/book"))).toMatchObject({
      kind: "adopted",
      version: 1,
    });
    expect(existsSync(folder.file("state/book.next"))).toBe(false);
  });

  test("that is refused leaves the one before in force and on disk", async () => {
    const { dns, publisher, book, folder } = open();
    await publisher.publish(1, book(1));
    dns.refusal = "a test";
    expect(await publisher.publish(2, book(2))).toEqual({ kind: "refused", reason: "a test" });
    await publisher.save();
    expect(await new Dns().host.adopt(folder.file("state/book"))).toMatchObject({
      kind: "adopted",
      version: 1,
    });
  });

  test.each([4, 5])(
    "of version %i after dns has spoken of 5 is refused without being offered",
    async (version) => {
      const { dns, publisher, book } = open();
      dns.tell({ kind: "hello", version: 5 });
      expect((await publisher.publish(version, book(version))).kind).toBe("refused");
      expect(dns.messages).toEqual([]);
    },
  );

  test("leaves as much room on the disk as the next one takes, and a little more", async () => {
    const { publisher, book, folder } = open();
    const first = book(1);
    await publisher.publish(1, first);
    // As who has published does.
    release(first.bytes);
    await publisher.save();
    const sizes = ["book", "book.room"].map((name) => statSync(folder.file(`state/${name}`)));
    expect(sizes[1]?.size).toBeGreaterThan((9 / 8) * (sizes[0]?.size ?? Number.NaN) - 1);
    // Room that a file system has not given away to another.
    expect(sizes[1]?.blocks).toBeGreaterThanOrEqual(sizes[0]?.blocks ?? Number.NaN);
    await publisher.publish(2, book(2));
    await publisher.save();
    expect(statSync(folder.file("state/book.room")).ino).toBe(sizes[1]?.ino);
  });

  test("that cannot be written is refused, and says where", async () => {
    const { publisher, book, folder } = open();
    rmSync(folder.file("state"), { recursive: true });
    writeFileSync(folder.file("state"), "in the way");
    const outcome = await publisher.publish(1, book(1));
    expect(outcome).toMatchObject({ kind: "refused", reason: expect.stringContaining("book.next") });
  });
});

describe("a patch", () => {
  test("is in answers at once, and on disk soon after", async () => {
    const { dns, publisher, book, folder } = open();
    const compiled = book(1);
    await publisher.publish(1, compiled);
    const [east] = compiled.directory.vips.keys();
    const plan = {
      kind: "answer",
      shares: [{ vip: east!, share: 1 }],
      spreads: null,
      sticky: null,
      lastResort: false,
    } as const;
    publisher.patch(new PatchWriter(compiled.directory).put(0, 0, 4, plan, 5).put(0, 1, 4, plan, 5).packed);
    expect(dns.addresses(WWW, GB)).toEqual([EAST]);
    const cold = async (): Promise<readonly string[]> => {
      const again = new Dns();
      await again.host.adopt(folder.file("state/book"));
      return again.addresses(WWW, GB);
    };
    await vi.waitFor(async () => expect((await cold())[0]).toBe(EAST), { timeout: 10_000 });
    await publisher.save();
  });

  test("before any book, or of nothing, is not sent", () => {
    const { dns, publisher } = open();
    publisher.patch(new Uint32Array([0, 1, 0]));
    publisher.patch(new Uint32Array(0));
    expect(dns.messages).toEqual([]);
  });

  test("that cannot be written to disk is told, and is in answers all the same", async () => {
    const { dns, publisher, book, folder, errors } = open();
    const compiled = book(1);
    await publisher.publish(1, compiled);
    await publisher.save();
    rmSync(folder.file("state"), { recursive: true });
    publisher.patch(new PatchWriter(compiled.directory).put(0, 0, 4, { kind: "servfail" }, 5).packed);
    await until(() => errors.length > 0);
    expect(dns.count("patch")).toBe(1);
  });
});

test("a file that holds another book gets none of the plans", async () => {
  const { publisher, book, folder, errors } = open();
  const compiled = book(1);
  await publisher.publish(1, compiled);
  await publisher.save();
  writeFileSync(folder.file("state/book"), book(2).bytes);
  publisher.patch(new PatchWriter(compiled.directory).put(0, 0, 4, { kind: "servfail" }, 5).packed);
  await until(() => errors.length > 0);
  expect(String(errors[0])).toContain("it is book 2");
  expect(readFileSync(folder.file("state/book"))).toEqual(Buffer.from(book(2).bytes));
});

describe("emptiness is never published", () => {
  test("such as a book without zones, or a service without plans", () => {
    const content = plannerOf(checkFolder(new Folder().path).value!).content(1);
    expect(emptiness(content)).toBeNull();
    expect(emptiness({ ...content, zones: [] })).toBe("there is no zone");
    const [first, ...others] = content.services;
    expect(emptiness({ ...content, services: [{ ...first!, plans: [] }, ...others] })).toBe(
      "service www.test.example has no plan",
    );
  });
});

function plannerOf(snapshot: Snapshot): Planner {
  const planner = Planner.of(snapshot).value!;
  planner.planAll(factsOf());
  return planner;
}
