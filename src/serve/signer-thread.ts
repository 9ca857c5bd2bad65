/** THREAD: makes signatures ahead, behind everybody else. Queries are answered without it, by signing then and there. */

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import type { ServedBook } from "../answer/responder.ts";
import { type Round, signAhead } from "../answer/sign-ahead.ts";
import { retabled } from "./book-host.ts";
import { putThreadBack } from "./priority.ts";

/** Signatures between two looks for a new book: a millisecond or two. */
const STEPS = 32;

assert(parentPort !== null, "this file is a worker thread's");
const port = parentPort;
putThreadBack();
let book: ServedBook | null = null;
let wake = new AbortController();
port.on("message", (next: ServedBook) => {
  book = next;
  wake.abort();
});

for (;;) {
  wake = new AbortController();
  const round: Round | null = book === null ? null : await run(book);
  if (round !== null) {
    book = retabled(book, round.table);
    port.postMessage(round);
  }
  // A book that came meanwhile has its round at once.
  const waitMs = wake.signal.aborted ? 0 : 1000 * (round?.nextAfterSeconds ?? 60);
  await sleep(waitMs, undefined, { signal: wake.signal }).catch(() => undefined);
}

/** A whole round; null: another book has come. */
async function run(current: ServedBook): Promise<Round | null> {
  const steps = signAhead(current, Math.trunc(Date.now() / 1000));
  for (let i = 1; ; i += 1) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (i % STEPS === 0) await sleep(0);
    if (book !== current) return null;
  }
}
