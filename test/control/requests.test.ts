import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { ToDns } from "../../src/book/messages.ts";
import { Requests } from "../../src/control/requests.ts";

type Reply = Extract<ToDns, { kind: "reply" }>;

class Lab {
  readonly sent: Reply[] = [];
  readonly explained: (Uint8Array | null)[] = [];
  readonly errors: unknown[] = [];
  /** Messages that were made, and how the making ended. */
  made = 0;
  hasEnded = false;
  readonly #requests: Requests;

  constructor(messages: number, failsAfter = Number.POSITIVE_INFINITY) {
    this.#requests = new Requests({
      reply: () => this.#make(messages, failsAfter),
      explain: (octets) => {
        if (octets.length === 0) throw new Error("broken");
        return octets;
      },
      send: (message) => {
        if (message.kind === "reply") this.sent.push(message);
        if (message.kind === "explanation") this.explained.push(message.rdata);
      },
      onError: (cause) => this.errors.push(cause),
    });
  }

  async ask(): Promise<void> {
    const octets = new Uint8Array(12);
    const source = octets.subarray(0, 4);
    const request = { request: 1, octets, source, isStream: true, tls: null, response: null };
    await this.#tell({ kind: "request", ...request });
  }

  async askWhy(octets: Uint8Array): Promise<void> {
    await this.#tell({ kind: "explain", request: 1, octets, source: Uint8Array.of(192, 0, 2, 1) });
  }

  async next(): Promise<void> {
    await this.#tell({ kind: "next", request: 1 });
  }

  async gone(): Promise<void> {
    await this.#tell({ kind: "gone", request: 1 });
  }

  get said(): readonly (readonly [first: number | null, isLast: boolean])[] {
    return this.sent.map(({ message, isLast }) => [message === null ? null : (message[0] ?? 0), isLast]);
  }

  async #tell(message: Parameters<Requests["receive"]>[0]): Promise<void> {
    this.#requests.receive(message);
    for (let i = 0; i < 3; i += 1) await turn();
  }

  async *#make(messages: number, failsAfter: number): AsyncGenerator<Uint8Array> {
    try {
      for (let i = 1; i <= messages; i += 1) {
        if (i > failsAfter) throw new Error("broken");
        this.made = i;
        yield Uint8Array.of(i);
      }
    } finally {
      this.hasEnded = true;
    }
  }
}

describe("a request that dns has left to control", () => {
  test("gets its one message, which is the last", async () => {
    const lab = new Lab(1);
    await lab.ask();
    expect(lab.said).toEqual([[1, true]]);
  });

  test("gets the next message when it asks for it, and one more is made ahead", async () => {
    const lab = new Lab(100);
    await lab.ask();
    expect([lab.said, lab.made]).toEqual([[[1, false]], 2]);
    await lab.next();
    expect([lab.said.at(-1), lab.made]).toEqual([[2, false], 3]);
  });

  test("is told which message is the last, and gets no more", async () => {
    const lab = new Lab(2);
    await lab.ask();
    await lab.next();
    await lab.next();
    expect(lab.said).toEqual([
      [1, false],
      [2, true],
    ]);
  });

  test("to which nothing is to be said is told so", async () => {
    const lab = new Lab(0);
    await lab.ask();
    expect(lab.said).toEqual([[null, true]]);
  });

  test("whose client has gone is ended, and what it held is let go", async () => {
    const lab = new Lab(100);
    await lab.ask();
    expect(lab.hasEnded).toBe(false);
    await lab.gone();
    await lab.next();
    expect([lab.hasEnded, lab.said.length, lab.made]).toEqual([true, 1, 2]);
  });

  test("whose reply cannot be made is told that there is none, or no more of it", async () => {
    const lab = new Lab(100, 2);
    await lab.ask();
    await lab.next();
    expect([lab.said, lab.errors.length]).toEqual([
      [
        [1, false],
        [null, true],
      ],
      1,
    ]);
  });
});

test("a query that asks why is explained, or not where that could not be done", async () => {
  const lab = new Lab(0);
  await lab.askWhy(Uint8Array.of(7));
  await lab.askWhy(new Uint8Array(0));
  expect(lab.explained).toEqual([Uint8Array.of(7), null]);
  expect(lab.errors).toHaveLength(1);
});
