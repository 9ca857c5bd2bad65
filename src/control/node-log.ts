/** What a node says in its log of what happens, each in one line. */

import type { Logger } from "pino";
import type { Config, VipId } from "../config/config.ts";
import type { Verdict } from "../health/verdict.ts";
import { describeFlips, describeTurned } from "./describe-flips.ts";
import { describeMoved } from "./moved.ts";
import type { Replanned } from "./planner.ts";
import type { Shift } from "./shift.ts";
import type { Snapshot } from "./snapshot.ts";
import type { NewAuditEntry } from "./store.ts";

export class NodeLog {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Who was judged, by whom, why, and what moved; of votes that turned only where something did. */
  judged(
    { flipped, turned }: Shift,
    replanned: readonly Replanned[],
    verdicts: ReadonlyMap<VipId, Verdict>,
    config: Config,
  ): void {
    const moved = describeMoved(replanned, config);
    if (flipped.length > 0) {
      this.#log.warn(`${describeFlips(flipped, config)}; moved: ${moved ?? "nothing"}`);
    } else if (turned.length > 0 && moved !== null) {
      this.#log.warn(`${describeTurned(turned, verdicts)}; moved: ${moved}`);
    }
  }

  /** What was done, by whom and why, and what moved; absent: it is nothing that moves clients. */
  done(audit: readonly NewAuditEntry[], moved?: string | null): void {
    const outcome = moved === undefined ? "" : `; moved: ${moved ?? "nothing"}`;
    for (const { author, event, detail, reason, version } of audit) {
      const level = event === "change-forced" ? "warn" : "info";
      this.#log[level]({ version }, `${author}: ${event}: ${detail} (${reason})${outcome}`);
    }
  }

  /** Files are in force; a node that began with another section `node` goes by that one. */
  inForce({ config, zones }: Snapshot, version: number, isNodeChanged: boolean): void {
    this.#log.info(
      { version, zones: zones.length, services: config.services.length },
      `${config.file} is in force`,
    );
    if (isNodeChanged)
      this.#log.warn(
        `the section "node" of ${config.file} has changed; that takes effect with \`meridian upgrade\`, or when this node is started again`,
      );
  }

  stream(token: string, event: "opened" | "closed" | "refused", detail: string): void {
    const text = `agent ${token}: stream ${event}${detail === "" ? "" : `, ${detail}`}`;
    this.#log[event === "opened" ? "info" : "warn"](text);
  }
}
