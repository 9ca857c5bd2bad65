/** THREAD: makes signatures ahead, behind everybody else. Queries are answered without it, by signing then and there. */

import assert from "node:assert/strict";
import { setImmediate as pause, setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { type Round, signAhead, signPatched } from "../answer/sign-ahead.ts";
import { SignatureTable } from "../dnssec/signature-table.ts";
import { putThreadBack } from "./priority.ts";
import type { BookToSign, FromSigner, SignerStart, ToSigner } from "./signing-host.ts";

/** Signatures between two looks for another book: a millisecond or two. */
const STEPS = 32;
/** So often the clock is looked at: somebody may set it. */
const LOOK_MS = 10_000;

assert(parentPort !== null, "this file is a worker thread's");
const port = parentPort;
const start: SignerStart = workerData;
let table = new SignatureTable(start.table);
let latest: BookToSign = start.book;
let isPatched = false;
let wake = new AbortController();
putThreadBack();
port.on("message", (message: ToSigner) => {
  if (message.kind === "book") latest = message.book;
  else isPatched = true;
  wake.abort();
});

for (;;) {
  const book = latest;
  tell({ kind: "took", number: book.number });
  const moment = now();
  const round = await run(book, signAhead(book.served, table, moment));
  if (round !== null) tell({ kind: "round", round });
  while (latest === book && !isDue(moment, round)) {
    if (isPatched) {
      isPatched = false;
      await run(book, signPatched(book.served, table, now()));
      continue;
    }
    wake = new AbortController();
    const waitMs = Math.min(LOOK_MS, 1000 * (round?.nextAfterSeconds ?? LOOK_MS));
    await sleep(waitMs, undefined, { signal: wake.signal }).catch(() => undefined);
  }
}

/** Takes all steps, and returns what they come to; null: another book has come. */
async function run<T>(book: BookToSign, steps: Generator<SignatureTable | null, T>): Promise<T | null> {
  for (let i = 1; ; i += 1) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (step.value !== null) {
      table = step.value;
      tell({ kind: "table", table: table.shared });
    }
    if (i % STEPS !== 0) continue;
    await pause();
    if (latest !== book) return null;
  }
}

/** After a round at `moment`, by the clock that signatures go by: when it was set back, some may hold only later. */
function isDue(moment: number, round: Round | null): boolean {
  return round !== null && (now() < moment || now() >= moment + round.nextAfterSeconds);
}

function now(): number {
  return Math.trunc(Date.now() / 1000);
}

function tell(message: FromSigner): void {
  port.postMessage(message);
}
