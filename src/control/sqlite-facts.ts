/** What a restart must not forget of the facts, in the SQLite store. */

import type { Opinion } from "../health/verdict.ts";
import type { Answer } from "../steering/last-good.ts";
import { integer, oneOf, optionalInteger, text } from "./columns.ts";
import type { FactStore, StoredVerdict } from "./store.ts";
import type { StoreFile } from "./store-file.ts";

/** Within a file that has its tables. */
export class SqliteFacts implements FactStore {
  readonly #file: StoreFile;

  constructor(file: StoreFile) {
    this.#file = file;
  }

  verdicts(): readonly StoredVerdict[] {
    const opinions = new Map<string, Map<string, Opinion>>();
    for (const row of this.#file.all("SELECT * FROM opinions ORDER BY vip, vantage")) {
      const vip = text(row, "vip");
      const ofVip = opinions.get(vip) ?? new Map<string, Opinion>();
      opinions.set(vip, ofVip.set(text(row, "vantage"), oneOf(row, "opinion", OPINIONS)));
    }
    return this.#file.all("SELECT * FROM verdicts ORDER BY vip").map((row) => {
      const vip = text(row, "vip");
      return {
        vip,
        up: row["up"] === 1,
        sinceMs: integer(row, "since_ms"),
        recovering: row["recovering"] === 1,
        flaps: integer(row, "flaps"),
        healthySinceMs: optionalInteger(row, "healthy_since_ms"),
        opinions: opinions.get(vip) ?? new Map<string, Opinion>(),
      };
    });
  }

  saveVerdicts(verdicts: readonly StoredVerdict[]): void {
    this.#file.transaction(() => {
      for (const { vip, up, sinceMs, recovering, flaps, healthySinceMs, opinions } of verdicts) {
        this.#file.run("DELETE FROM verdicts WHERE vip = ?", vip);
        this.#file.run(
          `INSERT INTO verdicts (vip, up, since_ms, recovering, flaps, healthy_since_ms)
           VALUES (?, ?, ?, ?, ?, ?)`,
          vip,
          Number(up),
          sinceMs,
          Number(recovering),
          flaps,
          healthySinceMs,
        );
        for (const [vantage, opinion] of opinions) {
          this.#file.run(
            "INSERT INTO opinions (vip, vantage, opinion) VALUES (?, ?, ?)",
            vip,
            vantage,
            opinion,
          );
        }
      }
    });
  }

  keepVerdicts(vips: ReadonlySet<string>): void {
    this.#file.transaction(() => {
      for (const { vip } of this.verdicts()) {
        if (!vips.has(vip)) this.#file.run("DELETE FROM verdicts WHERE vip = ?", vip);
      }
    });
  }

  lastGood(): ReadonlyMap<string, Answer> {
    return new Map(
      this.#file.all("SELECT * FROM last_good ORDER BY key").map((row) => {
        const plan: Answer = JSON.parse(text(row, "plan"));
        return [text(row, "key"), plan];
      }),
    );
  }

  saveLastGood(plans: ReadonlyMap<string, Answer>): void {
    this.#file.transaction(() => {
      for (const [key, plan] of plans)
        this.#file.run(
          "INSERT OR REPLACE INTO last_good (key, plan) VALUES (?, ?)",
          key,
          JSON.stringify(plan),
        );
    });
  }

  keepLastGood(isWanted: (key: string) => boolean): void {
    this.#file.transaction(() => {
      for (const row of this.#file.all("SELECT key FROM last_good")) {
        const key = text(row, "key");
        if (!isWanted(key)) this.#file.run("DELETE FROM last_good WHERE key = ?", key);
      }
    });
  }
}

const OPINIONS = ["unknown", "healthy", "degraded", "unhealthy"] as const satisfies readonly Opinion[];
