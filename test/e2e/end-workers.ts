/** SCRIPT: ends the worker and its spare, for a test that is in another network namespace: `end-workers.ts URL`. */

import { setTimeout as sleep } from "node:timers/promises";
import { Inspector } from "./inspector.ts";

/** By then the one that took over serves, and has a spare. */
const BETWEEN_MS = 700;

const inspector = await Inspector.open(process.argv[2] ?? "");
for (const thread of inspector.threads()) {
  inspector.end(thread);
  await sleep(BETWEEN_MS);
}
inspector.close();
