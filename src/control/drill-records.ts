/** What is on record of drills: the drills themselves, what agents saw in them, and their place in the audit list. */

import type { Logger } from "pino";
import type { DrillRecord } from "../drill/drill.ts";
import type { Watcher } from "../drill/observation.ts";
import type { DrillStore, NewAuditEntry } from "./store.ts";

type DrillEvent = "drill-begun" | "drill-ended" | "drill-aborted";

export interface DrillRecordsOptions {
  readonly store: DrillStore;
  readonly audit: (entry: Omit<NewAuditEntry, "version">) => void;
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** A store that fails must not keep a drill from its end: what cannot be written is in the log. */
export class DrillRecords {
  readonly #options: DrillRecordsOptions;

  constructor(options: DrillRecordsOptions) {
    this.#options = options;
  }

  save(record: DrillRecord): void {
    this.#write(() => this.#options.store.save(record));
  }

  /** Keeps what agents saw in a drill that is over. */
  keepSeen(id: string, watchers: readonly Watcher[]): void {
    this.#write(() => this.#options.store.saveReport(id, JSON.stringify({ watchers })));
  }

  /** What was kept of that; nothing: no such drill is over. */
  seen(id: string): readonly Watcher[] {
    const kept = this.#options.store.report(id);
    const { watchers }: { readonly watchers: readonly Watcher[] } =
      kept === null ? { watchers: [] } : JSON.parse(kept);
    return watchers;
  }

  tell({ id, author, reason }: DrillRecord, event: DrillEvent, detail: string): void {
    const { audit, nowMs, log } = this.#options;
    log.info(`drill ${id}: ${event}: ${detail}`);
    this.#write(() => audit({ atMs: nowMs(), author, reason, event, detail: `${id}: ${detail}` }));
  }

  /** A drill that its schedule wanted, and why there is none. */
  tellRefused(by: { readonly author: string; readonly reason: string }, detail: string): void {
    const { audit, nowMs, log } = this.#options;
    log.error(`drill not begun: ${detail}`);
    this.#write(() => audit({ atMs: nowMs(), ...by, event: "drill-refused", detail }));
  }

  #write(write: () => void): void {
    try {
      write();
    } catch (cause) {
      this.#options.log.error({ cause: String(cause) }, "a drill is not on record");
    }
  }
}
