/** Overrides in the SQLite store, and how a change makes others of them. */

import { integer, oneOf, optionalInteger, text } from "./columns.ts";
import type { Action, Override } from "./override.ts";
import type { StoredChange } from "./store.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** All of them, by id. */
export function readOverrides(file: StoreFile): readonly Override[] {
  return inOrder(file.all("SELECT * FROM overrides").map(readOverride));
}

/** Within a transaction of the caller; in place of the one of the same id. */
export function putOverride(
  file: StoreFile,
  { id, action, author, reason, createdMs, untilMs, stage }: Override,
): void {
  file.run(
    `REPLACE INTO overrides (id, kind, target_by, target_id, weight, verdict, ramp_ms, verdicts, author, reason, created_ms, until_ms, stage)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    id,
    action.kind,
    action.target.by,
    action.target.id,
    action.kind === "weight" ? action.weight : null,
    action.kind === "force" ? action.verdict : null,
    action.kind === "drain" ? (action.rampMs ?? null) : null,
    action.kind === "freeze" ? JSON.stringify(action.verdicts) : null,
    author,
    reason,
    createdMs,
    untilMs,
    stage === undefined ? null : JSON.stringify(stage),
  );
}

/** The overrides after a change. */
export function edited(
  overrides: readonly Override[],
  { set, ended }: Pick<StoredChange, "set" | "ended">,
): readonly Override[] {
  if (set.length + ended.length === 0) return overrides;
  const gone = new Set([...ended, ...set.map(({ id }) => id)]);
  return inOrder([...overrides.filter(({ id }) => !gone.has(id)), ...set]);
}

function inOrder(overrides: Override[]): readonly Override[] {
  return overrides.sort((a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)));
}

function readOverride(row: Row): Override {
  return {
    id: text(row, "id"),
    action: readAction(row),
    author: text(row, "author"),
    reason: text(row, "reason"),
    createdMs: integer(row, "created_ms"),
    untilMs: optionalInteger(row, "until_ms"),
    ...(row["stage"] === null ? {} : { stage: JSON.parse(text(row, "stage")) }),
  };
}

/** The CHECK constraints of the table say the same; here they become types. */
function readAction(row: Row): Action {
  const kind = oneOf(row, "kind", ["weight", "drain", "force", "freeze"]);
  const id = text(row, "target_id");
  switch (kind) {
    case "weight": {
      const by = oneOf(row, "target_by", ["member", "region", "choice"]);
      return { kind, target: { by, id }, weight: Number(row["weight"]) };
    }
    case "drain": {
      const target = { by: oneOf(row, "target_by", ["member", "region"]), id };
      const rampMs = optionalInteger(row, "ramp_ms");
      return rampMs === null ? { kind, target } : { kind, target, rampMs };
    }
    case "force": {
      const by = oneOf(row, "target_by", ["member", "region", "vip"]);
      return { kind, target: { by, id }, verdict: oneOf(row, "verdict", ["up", "down"]) };
    }
    case "freeze": {
      const by = oneOf(row, "target_by", ["member", "region", "vip"]);
      const verdicts: Readonly<Record<string, "up" | "down">> = JSON.parse(text(row, "verdicts"));
      return { kind, target: { by, id }, verdicts };
    }
  }
}
