/** What every vantage thinks of every VIP: opinions, their freshness, and who is isolated. */

import type { Check } from "../config/check.ts";
import type { VantageId, VipId } from "../config/config.ts";
import { Calendar } from "./calendar.ts";
import { contradictsUnhealthy, isIsolated, mayBeIsolated } from "./isolation.ts";
import { afterProbe, type Standing, UNKNOWN } from "./opinion.ts";
import { isolatedAfterMs, overdueAfterMs, type Prospect } from "./outlook.ts";
import type { Tally } from "./quorum.ts";
import type { Report } from "./report.ts";
import { isSource } from "./signals.ts";
import { type Opinion, sideOf, type Vote } from "./verdict.ts";

/** A vote that is another one than before. */
export interface TurnedVote {
  readonly vip: VipId;
  readonly vantage: VantageId;
  /** What it said before; null: it did not count. */
  readonly was: "up" | "down" | null;
}

/** A vantage as the API and the metrics show it. */
export interface VantageState {
  readonly vantage: VantageId;
  /** It has a fresh report on some VIP. */
  readonly fresh: boolean;
  /** It sees most VIPs down that the others see up: it has no vote. */
  readonly isolated: boolean;
  /** VIPs on which its opinion is fresh and known, and those of them it calls unhealthy against the others. */
  readonly knownVips: number;
  readonly contradictedVips: number;
  /** When it last reported; null: never. */
  readonly reportedAtMs: number | null;
}

/** How many intervals a report stays fresh; one timeout is added, for the probe that is under way. */
const FRESH_INTERVALS = 3;

/**
 * A row for each probed VIP, a column for each vantage, and for each source of signals that has been heard.
 *
 * The counts that isolation needs are kept up at each change of an opinion, by taking the row's part out of them and
 * putting it in again: the cost is one row, and a report that changes no opinion costs one cell.
 */
export class Matrix {
  readonly #rows = new Map<VipId, Row>();
  readonly #columns = new Map<VantageId, Column>();
  readonly #signals: ReadonlyMap<VipId, number>;
  /** How soon a vantage can be isolated that is not nearly so. */
  readonly isolatedMs: number;
  /** VIPs of whose votes something else may become than before. */
  readonly #restless = new Set<VipId>();
  /** Fresh cells by the time they are overdue or go stale, each filed once. */
  readonly #staleness = new Calendar<Cell>();

  /**
   * `signals` says for how long signals on a VIP count; on any other VIP there are none. `wayMs` is how late a report and
   * the patch that follows from it may be.
   */
  constructor(
    checks: ReadonlyMap<VipId, Check>,
    vantages: Iterable<VantageId>,
    signals: ReadonlyMap<VipId, number> = new Map(),
    wayMs = 0,
  ) {
    this.#signals = signals;
    this.isolatedMs = isolatedAfterMs(new Set(checks.values()), wayMs);
    for (const vantage of vantages) this.#columns.set(vantage, emptyColumn(vantage));
    for (const [vip, check] of checks) {
      const row: Row = { vip, check, cells: new Map(), contradictsUnhealthy: false };
      for (const column of this.#columns.values())
        row.cells.set(
          column.vantage,
          emptyCell(row, column, freshForMs(check), overdueAfterMs(check, wayMs)),
        );
      this.#rows.set(vip, row);
    }
  }

  /**
   * Takes a report and returns the votes that have turned, whose VIPs are to be judged again. Returns null for a report
   * that does not count: of a VIP or vantage that is not here, or not newer than the last one of this vantage on this VIP.
   */
  take(report: Report, nowMs: number): readonly TurnedVote[] | null {
    const cell = this.#cellFor(report.vip, report.vantage);
    if (cell === null || (cell.reportedAtMs !== null && report.atMs <= cell.reportedAtMs)) return null;
    const before = lasting(cell, report.atMs);
    cell.reportedAtMs = report.atMs;
    cell.column.reportedAtMs = Math.max(cell.column.reportedAtMs ?? report.atMs, report.atMs);
    const { outcome } = report;
    cell.error = outcome.kind === "failure" ? { class: outcome.error, detail: outcome.detail } : null;
    cell.timings = outcome.timings;
    const standing = afterProbe(before, outcome.kind, cell.row.check);
    return this.#change(cell, standing, {
      fresh: nowMs <= staleAfter(cell, report.atMs),
      overdue: nowMs > overdueAfter(cell, report.atMs),
    });
  }

  /** Takes the vote from cells whose last report is too old, and returns the votes that have turned by that. */
  expire(nowMs: number): readonly TurnedVote[] {
    const turned: TurnedVote[] = [];
    for (const cell of this.#staleness.take(nowMs)) {
      cell.filed = false;
      const age = {
        fresh: cell.reportedAtMs !== null && nowMs <= staleAfter(cell, cell.reportedAtMs),
        overdue: cell.reportedAtMs === null || nowMs > overdueAfter(cell, cell.reportedAtMs),
      };
      turned.push(...this.#change(cell, cell.standing, age));
    }
    return turned;
  }

  /** The votes that count on a VIP, and what isolated vantages say of it. */
  tally(vip: VipId): Tally {
    const votes = { up: 0, down: 0 };
    const isolated = { up: 0, down: 0 };
    for (const cell of this.#rows.get(vip)?.cells.values() ?? []) {
      const says = saysOf(cell);
      if (says !== null) (cell.column.isolated ? isolated : votes)[says] += 1;
    }
    return { ...votes, isolated };
  }

  /** The VIPs of whose votes something else may become than when this was last asked (`prospects`). */
  takeRestless(): readonly VipId[] {
    const taken = [...this.#restless];
    this.#restless.clear();
    return taken;
  }

  /** What may become of the votes on a VIP. */
  prospects(vip: VipId): readonly Prospect[] {
    const cells = this.#rows.get(vip)?.cells.values() ?? [];
    return Array.from(cells, (cell) => ({ standing: cell.standing, firm: isFirm(cell) }));
  }

  /** Every vantage's part in the verdict on a VIP, in the order of the vantages. */
  votes(vip: VipId): readonly Vote[] {
    const cells = this.#rows.get(vip)?.cells.values() ?? [];
    return Array.from(cells, (cell) => ({
      vantage: cell.column.vantage,
      opinion: cell.standing.opinion,
      counts: hasVote(cell),
      error: cell.error,
      timings: cell.timings,
      reportedAtMs: cell.reportedAtMs,
    }));
  }

  /** Every vantage of the config, in order. */
  vantageStates(): readonly VantageState[] {
    const vantages = [...this.#columns.values()].filter(({ vantage }) => !isSource(vantage));
    return vantages.map((column) => ({
      vantage: column.vantage,
      fresh: column.freshCells > 0,
      isolated: column.isolated,
      knownVips: column.known,
      contradictedVips: column.contradicted,
      reportedAtMs: column.reportedAtMs,
    }));
  }

  /** Goes on from an earlier matrix: takes over the cells of a VIP, of the vantages that are in both. */
  inherit(earlier: Matrix, vip: VipId): void {
    for (const cell of earlier.#rows.get(vip)?.cells.values() ?? []) {
      const heir = this.#cellFor(vip, cell.column.vantage);
      if (heir === null) continue;
      heir.error = cell.error;
      heir.timings = cell.timings;
      heir.reportedAtMs = cell.reportedAtMs;
      heir.column.reportedAtMs = cell.column.reportedAtMs;
      this.#change(heir, cell.standing, cell);
    }
  }

  /** Sets an opinion from before a restart. It has no vote until the vantage reports, but `rise` goes on from it. */
  recall(vip: VipId, vantage: VantageId, opinion: Opinion): void {
    const cell = this.#rows.get(vip)?.cells.get(vantage);
    // Failures in a row are not stored, so one that was degraded starts anew as healthy.
    if (cell?.reportedAtMs === null)
      cell.standing = { opinion: opinion === "degraded" ? "healthy" : opinion, streak: 0 };
  }

  /** The cell of a vantage; of a source of signals it is made when it is first heard. null: it has no say on this VIP. */
  #cellFor(vip: VipId, vantage: VantageId): Cell | null {
    const row = this.#rows.get(vip);
    const known = row?.cells.get(vantage);
    const freshMs = this.#signals.get(vip);
    if (known !== undefined || row === undefined || freshMs === undefined || !isSource(vantage))
      return known ?? null;
    const column = this.#columns.get(vantage) ?? emptyColumn(vantage);
    const cell = emptyCell(row, column, freshMs, freshMs);
    this.#columns.set(vantage, column);
    row.cells.set(vantage, cell);
    return cell;
  }

  /** Changes a cell, and returns the votes that turn by that, those of vantages that are isolated now or no more among them. */
  #change(
    cell: Cell,
    standing: Standing,
    { fresh, overdue }: Pick<Cell, "fresh" | "overdue">,
  ): readonly TurnedVote[] {
    if (fresh && !cell.filed && cell.reportedAtMs !== null) {
      cell.filed = true;
      const due = overdue ? staleAfter : overdueAfter;
      this.#staleness.add(cell, due(cell, cell.reportedAtMs));
    }
    const { row, column } = cell;
    const isSame =
      standing.opinion === cell.standing.opinion && fresh === cell.fresh && overdue === cell.overdue;
    if (!isSame || standing.streak !== cell.standing.streak) this.#restless.add(row.vip);
    if (isSame) {
      cell.standing = standing;
      return [];
    }
    const before = saysOf(cell);
    const was = column.isolated ? null : before;
    for (const other of row.cells.values()) count(other, -1);
    cell.standing = standing;
    cell.fresh = fresh;
    cell.overdue = overdue;
    row.contradictsUnhealthy = contradictsUnhealthy(opinionsOf(row));
    for (const other of row.cells.values()) count(other, 1);
    const own = saysOf(cell) === before ? [] : [{ vip: row.vip, vantage: column.vantage, was }];
    return [...own, ...this.#isolate(row)];
  }

  /** Works out anew who is isolated among those whose counts have changed, and returns their votes. */
  #isolate(row: Row): readonly TurnedVote[] {
    const turned: TurnedVote[] = [];
    for (const { column } of row.cells.values()) {
      const isolated = isIsolated(column);
      const wavers = mayBeIsolated(column);
      const turns = isolated !== column.isolated;
      if (!turns && wavers === column.wavers) continue;
      column.isolated = isolated;
      column.wavers = wavers;
      for (const { vip, cells } of this.#rows.values()) {
        const cell = cells.get(column.vantage);
        if (cell === undefined || !isKnown(cell)) continue;
        this.#restless.add(vip);
        if (turns) turned.push({ vip, vantage: column.vantage, was: isolated ? saysOf(cell) : null });
      }
    }
    return turned;
  }
}

/** One vantage's look at one VIP. */
interface Cell {
  readonly row: Row;
  readonly column: Column;
  /** How long a report of this vantage on this VIP is fresh. */
  readonly freshMs: number;
  /** After how long the next one is overdue. */
  readonly overdueMs: number;
  standing: Standing;
  error: Vote["error"];
  timings: Vote["timings"];
  reportedAtMs: number | null;
  fresh: boolean;
  overdue: boolean;
  /** Whether it stands in the calendar; there it may stand under an earlier time than its own. */
  filed: boolean;
}

/** A VIP. */
interface Row {
  readonly vip: VipId;
  readonly check: Check;
  readonly cells: Map<VantageId, Cell>;
  contradictsUnhealthy: boolean;
}

/** A vantage or source of signals, with its testimony (`health/isolation.ts`). */
interface Column {
  readonly vantage: VantageId;
  freshCells: number;
  known: number;
  contradicted: number;
  failing: number;
  steady: number;
  isolated: boolean;
  /** A few more failures would isolate it. */
  wavers: boolean;
  reportedAtMs: number | null;
}

function emptyColumn(vantage: VantageId): Column {
  return {
    vantage,
    freshCells: 0,
    known: 0,
    contradicted: 0,
    failing: 0,
    steady: 0,
    isolated: false,
    wavers: false,
    reportedAtMs: null,
  };
}

function emptyCell(row: Row, column: Column, freshMs: number, overdueMs: number): Cell {
  return {
    row,
    column,
    freshMs,
    overdueMs,
    standing: UNKNOWN,
    error: null,
    timings: null,
    reportedAtMs: null,
    fresh: false,
    overdue: true,
    filed: false,
  };
}

/**
 * What a new report goes on from. That a VIP answered before the last report went stale is no vote for it now: a vantage
 * that comes back in an outage and sees it fail would else bring it back, until it has failed `fall` times. That
 * it did not answer is remembered, so that `rise` successes are asked of it. The times of the reports decide, not when
 * somebody looked, so that all nodes judge alike.
 */
function lasting(cell: Cell, atMs: number): Standing {
  const isFresh = cell.reportedAtMs !== null && atMs <= staleAfter(cell, cell.reportedAtMs);
  return isFresh || cell.standing.opinion === "unhealthy" ? cell.standing : UNKNOWN;
}

function isKnown(cell: Cell): boolean {
  return cell.fresh && cell.standing.opinion !== "unknown";
}

/** What a cell says, whether or not its vantage is isolated; null: nothing. */
function saysOf(cell: Cell): "up" | "down" | null {
  return sideOf({ counts: isKnown(cell), opinion: cell.standing.opinion });
}

function hasVote(cell: Cell): boolean {
  return isKnown(cell) && !cell.column.isolated;
}

/** Whether its vote lasts for a while, unless the opinion turns. */
function isFirm(cell: Cell): boolean {
  return hasVote(cell) && !cell.overdue && !cell.column.wavers;
}

/** Puts a cell into its vantage's counts, or with -1 takes it out. */
function count(cell: Cell, by: 1 | -1): void {
  const { column, row } = cell;
  if (cell.fresh) column.freshCells += by;
  if (cell.fresh && cell.standing.opinion !== "healthy") column.failing += by;
  if (cell.fresh && cell.standing.opinion === "healthy" && !cell.overdue) column.steady += by;
  if (!isKnown(cell)) return;
  column.known += by;
  if (cell.standing.opinion === "unhealthy" && row.contradictsUnhealthy) column.contradicted += by;
}

function opinionsOf(row: Row): { readonly known: number; readonly healthy: number } {
  let known = 0;
  let healthy = 0;
  for (const cell of row.cells.values()) {
    if (!isKnown(cell)) continue;
    known += 1;
    if (cell.standing.opinion === "healthy") healthy += 1;
  }
  return { known, healthy };
}

/** How long a report of such a check is fresh. */
export function freshForMs({ intervalMs, timeoutMs }: Pick<Check, "intervalMs" | "timeoutMs">): number {
  return FRESH_INTERVALS * intervalMs + timeoutMs;
}

/** The last moment at which no newer report than one of `atMs` is overdue. */
function overdueAfter(cell: Cell, atMs: number): number {
  return atMs + cell.overdueMs;
}

/** The last moment at which a report of `atMs` is fresh. */
function staleAfter(cell: Cell, atMs: number): number {
  return atMs + cell.freshMs;
}
