/** Rolls the keys of the zones that this node rolls: looks at the parent, moves each state on, and says why one waits. */

import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { DnssecZone, RolloverConfig } from "../config/config.ts";
import { ALGORITHMS } from "../dnssec/algorithm.ts";
import { explainRollover, type RolloverView } from "../dnssec/explain-rollover.ts";
import { signsType } from "../dnssec/key-duty.ts";
import { judgeParent, type Look, type ParentView } from "../dnssec/parent-ds.ts";
import {
  advance,
  begin,
  changesAlgorithm,
  isDue,
  isSame,
  isUnwanted,
  type KeyState,
  planOf,
  type RolloverFacts,
  settled,
  turn,
} from "../dnssec/rollover.ts";
import { afterJump, untilMs } from "../dnssec/rollover-waits.ts";
import { RRType } from "../wire/codes.ts";
import { nameKey } from "../wire/name.ts";
import { MERIDIAN } from "./author.ts";
import { ClockWatch } from "./clock-watch.ts";
import { FileReader } from "./files.ts";
import { changeKeyState, describeStep, isSameKeys } from "./key-change.ts";
import { readKeyState } from "./key-state.ts";
import { filesOf, makeKey, type ZoneKey } from "./keys.ts";
import type { ZoneKeys } from "./signing.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Store } from "./store.ts";

/** How often the parent of a zone is looked at whose keys nobody rolls just now. */
const LOOK_IDLE_MS = 86_400_000;
/** Steps that take one turn of the clock at most: nothing is lost when there are more. */
const STEPS_MAX = 10;

export interface KeyRollerOptions {
  readonly store: Store;
  /** The snapshot that dns serves. */
  readonly snapshot: () => Snapshot;
  readonly nowMs: () => number;
  /** Of a clock that nobody sets. */
  readonly elapsedMs: () => number;
  readonly look: (zone: DnssecZone, rollover: RolloverConfig) => Promise<ParentView>;
  readonly log: Logger;
}

/** A zone that is signed, as the API and the metrics show it. */
export interface SignedZoneView extends RolloverView {
  readonly zone: DnssecZone;
  readonly keys: readonly {
    readonly key: ZoneKey;
    readonly isPublished: boolean;
    readonly isInCds: boolean;
    readonly signs: readonly ("keys" | "data")[];
  }[];
  /** null: its keys are not rolled. */
  readonly state: KeyState | null;
  /** What was last seen at the parent; null: this node does not look, or has not yet. */
  readonly look: Look | null;
}

/** What is remembered of a zone from one turn of the clock to the next. */
class Rolled {
  /** As on disk. */
  state: KeyState | null = null;
  view: ParentView | null = null;
  isLooking = false;
  /** By how much the clock was set, as far as the state on disk does not allow for it yet. */
  jumpMs = 0;
  /** What the last look came to, so that the log says only what is new. */
  lastKind: Look["kind"] | null = null;
  /** Why its state could not be changed last; null: it could. */
  problem: string | null = null;
}

/** One for a node. */
export class KeyRoller {
  readonly #options: KeyRollerOptions;
  readonly #zones = new Map<string, Rolled>();
  readonly #clock: ClockWatch;
  /** How often the clock was set. */
  #jumps = 0;
  #isClosed = false;

  constructor(options: KeyRollerOptions) {
    this.#options = options;
    this.#clock = new ClockWatch(options.nowMs, options.elapsedMs);
  }

  /** Files were read: what is on disk may be another state, and dns may serve one that it did not before. */
  loaded(): void {
    for (const rolled of this.#zones.values()) rolled.state = null;
    this.tick();
  }

  /** Moves every state as far as it goes now, and has the parent looked at where that is due. */
  tick(): void {
    if (this.#isClosed) return;
    const jumpMs = this.#clock.jumpMs();
    if (jumpMs !== 0) this.#jumps += 1;
    for (const zone of this.#options.snapshot().config.dnssec.values()) {
      if (zone.rollover === null || zone.rollover.by !== this.#nodeName()) continue;
      const rolled = this.#zones.get(nameKey(zone.apex)) ?? new Rolled();
      this.#zones.set(nameKey(zone.apex), rolled);
      rolled.jumpMs += jumpMs;
      try {
        this.#roll(zone, zone.rollover, rolled);
        rolled.problem = null;
      } catch (cause) {
        // A full disk keeps a rollover where it is, which is safe, and must not keep anything else.
        if (rolled.problem !== String(cause))
          this.#options.log.error({ cause: String(cause) }, `${zone.label}: keys cannot be rolled`);
        rolled.problem = String(cause);
      }
    }
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Every signed zone. */
  views(): readonly SignedZoneView[] {
    const { config, zoneKeys } = this.#options.snapshot();
    return [...config.dnssec.values()].flatMap((zone) => {
      const there = zoneKeys.get(nameKey(zone.apex));
      return there === undefined ? [] : this.#view(zone, there);
    });
  }

  #view(zone: DnssecZone, there: ZoneKeys): SignedZoneView {
    const nowMs = this.#options.nowMs();
    const rolled = this.#zones.get(nameKey(zone.apex));
    const served = there.state ?? settled("", there.keys, nowMs);
    const plan = planOf(served);
    const keys = there.keys.map((key) => {
      const duties = plan.duties.find((duty) => isSame(duty, key))?.duties ?? 0;
      const signs = [
        signsType(duties, RRType.DNSKEY) ? "keys" : null,
        signsType(duties, RRType.A) ? "data" : null,
      ];
      return {
        key,
        isPublished: plan.dnskeys.some((other) => isSame(other, key)),
        isInCds: zone.cds === "keys" && plan.cds.some((other) => isSame(other, key)),
        signs: signs.filter((sign) => sign !== null) as ("keys" | "data")[],
      };
    });
    const { rollover } = zone;
    if (rollover === null || there.state === null) {
      const why =
        zone.cds === "delete"
          ? "CDS asks the parent to take its DS out"
          : rollover === null
            ? "its keys change by hand alone"
            : "nobody has rolled its keys yet";
      return { zone, keys, state: null, look: null, nextStep: null, untilMs: null, why };
    }
    const state = rolled?.state ?? there.state;
    const look = rolled?.view == null ? null : judge(rolled.view, zone, state, there.keys);
    const explained = explainRollover(
      state,
      { propagationMs: rollover.propagationMs, look },
      rollover.everyMs,
      nowMs,
    );
    const why = rollover.by === this.#nodeName() ? explained.why : `${rollover.by} rolls its keys`;
    return { zone, keys, state, look, ...explained, why };
  }

  #roll(zone: DnssecZone, rollover: RolloverConfig, rolled: Rolled): void {
    const { nowMs, snapshot } = this.#options;
    const served = snapshot().zoneKeys.get(nameKey(zone.apex));
    // Without a key the zone is in no snapshot; and a state that cannot be read is a problem that keeps it out.
    if (served === undefined) return;
    if (rolled.jumpMs !== 0 && !this.#allowForJump(zone, rolled)) return;
    for (let steps = 0; steps < STEPS_MAX; steps += 1) {
      rolled.state ??= this.#read(zone) ?? this.#settle(zone, served);
      const before = rolled.state;
      const after = this.#next(zone, rollover, before, served, rolled.view);
      if (after === before) break;
      if (!this.#change(zone, rolled, before, after)) return;
    }
    if (!rolled.isLooking && rolled.state !== null && isLookDue(rolled.state, rolled.view, rollover, nowMs()))
      void this.#look(zone, rollover, rolled);
  }

  /** Has all waits last as long as they would have if nobody had set the clock; false: the state on disk is another one. */
  #allowForJump(zone: DnssecZone, rolled: Rolled): boolean {
    const { log, nowMs } = this.#options;
    const { jumpMs } = rolled;
    // When it was looked at is not known any more.
    rolled.view = null;
    const state = rolled.state ?? this.#read(zone);
    if (state !== null && !this.#change(zone, rolled, state, afterJump(state, jumpMs, nowMs()))) return false;
    rolled.jumpMs = 0;
    const what = `the clock was set ${jumpMs > 0 ? "ahead" : "back"} by ${Math.round(Math.abs(jumpMs) / 1000)} s`;
    log.warn(`${zone.label}: ${what}; a rollover of its keys waits no less for that`);
    return true;
  }

  /** What the state comes to now; the same where it stays. */
  #next(
    zone: DnssecZone,
    rollover: RolloverConfig,
    state: KeyState,
    served: ZoneKeys,
    view: ParentView | null,
  ): KeyState {
    const nowMs = this.#options.nowMs();
    if (state.by !== rollover.by) return { ...state, by: rollover.by };
    const algorithm = ALGORITHMS[zone.algorithm];
    if (isUnwanted(state, algorithm)) return turn(state) ?? state;
    if (isDue(state, algorithm, rollover.everyMs, nowMs)) {
      const key = makeKey(this.#stateFolder(), zone.apex, algorithm);
      if (key !== null) return begin(state, key);
    }
    const facts: RolloverFacts = {
      isServed: served.state !== null && served.state.step === state.step && isSameKeys(served.state, state),
      keys: served.keys,
      propagationMs: rollover.propagationMs,
      dnskeyTtlSeconds: zone.keyTtlSeconds,
      zoneTtlSeconds: served.ttlSeconds,
      look: view && judge(view, zone, state, served.keys),
    };
    return advance(state, facts, nowMs);
  }

  /** Writes a state, if the one on disk is still the one before; false: it is not. */
  #change(zone: DnssecZone, rolled: Rolled, before: KeyState, after: KeyState): boolean {
    const { log, nowMs, store } = this.#options;
    const change = {
      stateFolder: this.#stateFolder(),
      zone,
      author: MERIDIAN,
      reason: "its time has come",
      nowMs: nowMs(),
    };
    const made = changeKeyState(store, change, (state) => (isDeepStrictEqual(state, before) ? after : null));
    rolled.state = made;
    if (made === null) return false;
    // It comes into force as any other file that has changed.
    if (made.step !== before.step || !isSameKeys(made, before))
      log.info(`${zone.label}: keys: ${describeStep(made)}`);
    return true;
  }

  /** Begins to keep a state for the keys that are there. */
  #settle(zone: DnssecZone, { keys }: ZoneKeys): KeyState {
    const { nowMs, store } = this.#options;
    const by = this.#nodeName();
    const state = settled(by, keys, nowMs());
    const change = { stateFolder: this.#stateFolder(), zone, author: MERIDIAN, reason: "", nowMs: nowMs() };
    changeKeyState(store, { ...change, reason: "its keys are rolled from now on" }, () => state);
    return state;
  }

  #read(zone: DnssecZone): KeyState | null {
    return readKeyState(this.#stateFolder(), zone.apex, new FileReader()).value;
  }

  async #look(zone: DnssecZone, rollover: RolloverConfig, rolled: Rolled): Promise<void> {
    rolled.isLooking = true;
    const jumps = this.#jumps;
    const view = await this.#options.look(zone, rollover);
    rolled.isLooking = false;
    if (this.#isClosed) return;
    if (jumps === this.#jumps) {
      rolled.view = view;
      this.#say(zone, rolled, view);
    }
    this.tick();
  }

  /** One line when the parent is found otherwise than before. */
  #say(zone: DnssecZone, rolled: Rolled, view: ParentView): void {
    const { log, snapshot } = this.#options;
    const served = snapshot().zoneKeys.get(nameKey(zone.apex));
    if (rolled.state === null || served === undefined) return;
    const { kind, why } = judge(view, zone, rolled.state, served.keys);
    if (kind === rolled.lastKind) return;
    const wasSeen = rolled.state.ttls.ds !== null;
    rolled.lastKind = kind;
    const text = `${zone.label}: ${why}`;
    // A rollover expects the old DS; a zone at rest that has lost its own is bogus, or not secure any more.
    if (rolled.state.step === "idle" && (kind === "other" || (kind === "none" && wasSeen))) log.error(text);
    else if (kind === "unknown") log.warn(text);
    else log.info(text);
  }

  #nodeName(): string {
    return this.#options.snapshot().config.node.name;
  }

  #stateFolder(): string {
    return this.#options.snapshot().config.node.stateFolder;
  }
}

/** Judges a look at the parent by the keys of a state. */
export function judge(
  view: ParentView,
  { apex }: DnssecZone,
  state: KeyState,
  keys: readonly ZoneKey[],
): Look {
  const known = (refs: KeyState["to"]): Parameters<typeof judgeParent>[2] =>
    refs.map((ref) => filesOf([ref], keys)[0] ?? { ...ref, dnskey: null });
  return judgeParent(view, apex, known(state.from), known(state.to));
}

function isLookDue(
  state: KeyState,
  view: ParentView | null,
  rollover: RolloverConfig,
  nowMs: number,
): boolean {
  if (view === null) return true;
  if (nowMs >= view.atMs + (state.step === "idle" ? LOOK_IDLE_MS : rollover.lookEveryMs)) return true;
  // The last look of a step is the one that lets it end.
  const dueMs = untilMs(state, changesAlgorithm(state), rollover.propagationMs);
  return state.step === "retire" && dueMs !== null && view.atMs < dueMs && nowMs >= dueMs;
}
