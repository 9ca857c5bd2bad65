/** Gives books and plan patches to dns, and keeps the book on disk fresh for a cold start. */

import { type FileHandle, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { type BookPlans, plansChecksum, plansOf, versionOf } from "../book/book.ts";
import type { Challenges } from "../book/challenges.ts";
import type { CompiledBook } from "../book/compile.ts";
import type { BookContent } from "../book/content.ts";
import { HEADER_WORDS, Header } from "../book/layout.ts";
import type { DuePlans, ToDns, ToPublisher } from "../book/messages.ts";
import { applyPatches } from "../book/patch.ts";
import type { Samples } from "../telemetry/samples.ts";
import { KeptRoom } from "./kept-room.ts";
import { makeAside, PART_OCTETS, putInPlace, writeAt, writeWhole } from "./whole-file.ts";

/** The book on disk lags behind the plans in force by at most this. */
const REWRITE_MS = 5_000;

/** How dns took a book. */
export type PublishOutcome =
  | { readonly kind: "adopted" }
  | { readonly kind: "refused"; readonly reason: string };

export interface PublisherOptions {
  /** The state folder; the book is the file `book` in it. */
  readonly folder: string;
  /** Sends to dns. */
  readonly send: (message: ToDns) => void;
  /** Told when the book cannot be rewritten; answers are not affected. */
  readonly onError: (error: unknown) => void;
  readonly rewriteMs?: number;
}

interface Waiting {
  readonly version: number;
  readonly settle: (outcome: PublishOutcome) => void;
}

/** Where books and patches leave control. One book is on its way at a time. */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #path: string;
  readonly #room: KeptRoom;
  readonly #counters = new Map<number, (values: readonly number[]) => void>();
  readonly #samples = new Map<number, (samples: Samples) => void>();
  readonly #greeting = Promise.withResolvers<void>();
  #requests = 0;
  #waiting: Waiting | null = null;
  /** Of the book in force; the rest of it is on disk, where it takes no memory. */
  #plans: BookPlans | null = null;
  #versionSeen = 0;
  #versionServed = 0;
  #rewriteTimer: NodeJS.Timeout | null = null;
  #writing: Promise<void> = Promise.resolve();
  #trouble: unknown = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#path = join(options.folder, "book");
    this.#room = new KeptRoom(`${this.#path}.room`);
  }

  /** Settles once dns has said what it serves; before that no version can be chosen. */
  get greeted(): Promise<void> {
    return this.#greeting.promise;
  }

  /** The highest version that dns has spoken of; a new one must be above it. */
  get versionSeen(): number {
    return this.#versionSeen;
  }

  /** The version of the book that dns serves; 0: none. */
  get versionServed(): number {
    return this.#versionServed;
  }

  /** Why the book on disk is behind the one in force; null: it is not, or only by what is about to be written. */
  get trouble(): unknown {
    return this.#trouble;
  }

  /** Takes a message from dns. */
  receive(message: ToPublisher): void {
    switch (message.kind) {
      case "hello":
        this.#served(message.version);
        this.#greeting.resolve();
        break;
      case "adopted":
        this.#served(message.version);
        this.#settle(message.version, { kind: "adopted" });
        break;
      case "refused":
        this.#settle(message.version, { kind: "refused", reason: message.reason });
        break;
      case "counters":
        this.#counters.get(message.request)?.(message.values);
        this.#counters.delete(message.request);
        break;
      case "samples":
        this.#samples.get(message.request)?.(message);
        this.#samples.delete(message.request);
        break;
      case "reload": // Not about books: the process passes it to the desk.
        break;
      case "save":
        void this.save().then(() => this.#options.send({ kind: "saved" }));
        break;
    }
  }

  /**
   * Offers dns a book, and waits for its word. Until it is adopted, the book in force and its file stay as they are,
   * so a book that dns refuses cannot be what a cold start finds.
   */
  async publish(version: number, compiled: CompiledBook): Promise<PublishOutcome> {
    if (version <= this.#versionSeen) {
      return { kind: "refused", reason: `version ${version} is not above ${this.#versionSeen}` };
    }
    const offered = `${this.#path}.next`;
    // The memory of a book that has been published is used for something else.
    const { length } = compiled.bytes;
    try {
      await this.#inTurn(() => this.#room.use(() => writeWhole(offered, compiled.bytes)));
    } catch (cause) {
      return { kind: "refused", reason: `Cannot write ${offered}: ${String(cause)}` };
    }
    const outcome = await new Promise<PublishOutcome>((settle) => {
      this.#waiting = { version, settle };
      this.#options.send({ kind: "adopt", version, path: offered });
    });
    if (outcome.kind === "refused") return outcome;
    this.#plans = plansOf(compiled.bytes);
    this.#keep(async () => {
      await rename(offered, this.#path);
      await this.#room.keep(length);
    });
    return outcome;
  }

  /** Has answers leave time, for half a second, to plans that are about to be made and to long work. */
  makeRoom(): void {
    this.#options.send({ kind: "room" });
  }

  /** Sends new plans, as a `PatchWriter` packs them, for the adopted book; dns answers by them at once, the disk follows. */
  patch(packed: Uint32Array): void {
    if (this.#plans === null || packed.length === 0) return;
    const { version, at, words } = this.#plans;
    this.#options.send({ kind: "patch", version, packed });
    applyPatches(words, packed, at);
    this.#rewriteTimer ??= setTimeout(() => this.#rewrite(), this.#options.rewriteMs ?? REWRITE_MS);
  }

  /** Has dns put these plans for the adopted book in force at their time, if control is away then; null: there are none. */
  due(due: Omit<DuePlans, "version"> | null): void {
    if (this.#plans === null) return;
    const { version } = this.#plans;
    this.#options.send({ kind: "due", due: due && { ...due, version } });
  }

  /** Has dns answer these challenges; null: there are none. Nothing waits for it. */
  challenges(challenges: Challenges | null): void {
    this.#options.send({ kind: "challenges", challenges });
  }

  /** Sums over all dns threads, in the order of `Counter`, then one for each region number. */
  counters(): Promise<readonly number[]> {
    this.#requests += 1;
    const request = this.#requests;
    return new Promise((resolve) => {
      this.#counters.set(request, resolve);
      this.#options.send({ kind: "counters", request });
    });
  }

  /** The samples of traffic that have come in since the last time. */
  samples(): Promise<Samples> {
    this.#requests += 1;
    const request = this.#requests;
    return new Promise((resolve) => {
      this.#samples.set(request, resolve);
      this.#options.send({ kind: "samples", request });
    });
  }

  /** Brings the disk up to date. */
  async save(): Promise<void> {
    if (this.#rewriteTimer !== null) this.#rewrite();
    await this.#writing;
  }

  #served(version: number): void {
    this.#versionServed = version;
    this.#versionSeen = Math.max(this.#versionSeen, version);
  }

  #settle(version: number, outcome: PublishOutcome): void {
    if (this.#waiting?.version !== version) return;
    const { settle } = this.#waiting;
    this.#waiting = null;
    settle(outcome);
  }

  #rewrite(): void {
    if (this.#rewriteTimer !== null) clearTimeout(this.#rewriteTimer);
    this.#rewriteTimer = null;
    if (this.#plans === null) return;
    // A copy, because more patches may come in while it is written, and the checksum must fit what is on disk.
    const plans = { ...this.#plans, words: this.#plans.words.slice() };
    this.#keep(async () => {
      await this.#room.use(() => rewritePlans(this.#path, plans));
      const { size } = await stat(this.#path);
      await this.#room.keep(size);
    });
  }

  /** Does what the book on disk needs to be the one in force. */
  #keep(work: () => Promise<void>): void {
    this.#inTurn(work).then(
      () => {
        this.#trouble = null;
      },
      (cause: unknown) => {
        this.#trouble = cause;
        this.#options.onError(cause);
      },
    );
  }

  /** One file operation after the other, so that an old book cannot overtake a new one. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

/** What would make a book an empty one; null: nothing. Control never publishes emptiness. */
export function emptiness(content: BookContent): string | null {
  if (content.zones.length === 0) return "there is no zone";
  const without = content.services.find(({ plans }) => plans.length === 0);
  return without === undefined ? null : `service ${without.service.label} has no plan`;
}

/** Puts other plans into the book at `path`, and its file in place of the old one as a whole. */
async function rewritePlans(path: string, { version, at, words }: BookPlans): Promise<void> {
  await makeAside(path, "w+", async (file) => {
    await copyTo(file, path);
    const header = new Uint32Array(HEADER_WORDS);
    await file.read(octetsOf(header), 0, header.byteLength, 0);
    if (versionOf(header) !== version)
      throw new Error(`Cannot put plans of book ${version} into ${path}: it is book ${versionOf(header)}`);
    header[Header.plansChecksum] = plansChecksum(words);
    await writeAt(file, octetsOf(header), 0);
    await writeAt(file, octetsOf(words), 4 * at);
  });
  await putInPlace(path);
}

async function copyTo(file: FileHandle, path: string): Promise<void> {
  await using source = await open(path, "r");
  const part = new Uint8Array(PART_OCTETS);
  for (let at = 0; ; ) {
    const { bytesRead } = await source.read(part, 0, part.length, at);
    if (bytesRead === 0) return;
    await writeAt(file, part.subarray(0, bytesRead), at);
    at += bytesRead;
  }
}

function octetsOf({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
