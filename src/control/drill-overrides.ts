/** What a drill changes through the one door, and how that is taken back. */

import type { DrillSpec } from "../config/drills.ts";
import type { DrillRecord } from "../drill/drill.ts";
import { MERIDIAN } from "./author.ts";
import type { ChangeOutcome, ChangeRequest } from "./change.ts";
import { ruledAs } from "./drill-scene.ts";
import { isActive, type Override, overrideId } from "./override.ts";
import type { RunningDrill } from "./running-drill.ts";
import { StoreUnavailable } from "./store-file.ts";

/** How it is put back: against all rules, and also while the store cannot be written, which a drill that goes wrong must not wait for. */
const PUT_BACK = { author: MERIDIAN, ifVersion: null, force: true, breakGlass: true } as const;

export interface DrillOverridesOptions {
  readonly nowMs: () => number;
  readonly overrides: () => readonly Override[];
  readonly change: (request: ChangeRequest) => Promise<ChangeOutcome>;
}

export class DrillOverrides {
  readonly #options: DrillOverridesOptions;

  constructor(options: DrillOverridesOptions) {
    this.#options = options;
  }

  /** Makes the failure, where an override does, until the drill's end; returns why not, or null. */
  async set({ record, scene }: RunningDrill): Promise<string | null> {
    if (scene.override === null) return null;
    const edit = { kind: "set-override", action: scene.override, untilMs: record.untilMs } as const;
    const by = { author: record.author, reason: `${reasonPrefix(record)}${record.reason}` };
    const outcome = await this.#options.change({ ...by, edit, ifVersion: null, isDrill: true });
    return reasonOf(outcome);
  }

  /**
   * Takes back all that the drill has made and that still counts; another override of the same id is somebody else's. Returns whether
   * nothing of it is left.
   */
  async end(running: RunningDrill, why: string): Promise<boolean> {
    const reason = `drill ${running.record.id} has ended: ${why}`;
    let isBack = true;
    for (const { id } of this.#own(running))
      isBack = (await this.#putBack(running, { reason, edit: { kind: "end-override", id } })) && isBack;
    return isBack;
  }

  /**
   * Brings up at once what was only said to be dead: where a guard is broken, it may be all that is left, and vantages need `rise`
   * looks to find it healthy. That ends when they have, when they have seen that it fails (`letGo`), or when they could have.
   */
  async bringUp(running: RunningDrill): Promise<void> {
    const { record } = running;
    const { overrides, nowMs } = this.#options;
    const { action } = record.spec;
    const hasBegun = running.timeOf("begun") !== null;
    if (action.kind !== "dead" || !hasBegun || record.downBefore.length > 0) return;
    const up = { kind: "force", target: action.target, verdict: "up" } as const;
    if (overrides().some(({ id }) => id === overrideId(up))) return;
    const untilMs = nowMs() + running.restoresWithinMs;
    const reason = `${reasonPrefix(record)}it was up all the time`;
    await this.#putBack(running, { reason, edit: { kind: "set-override", action: up, untilMs } });
  }

  /** Ends what `bringUp` has forced as soon as vantages have seen for themselves that it is not up. */
  async letGo(running: RunningDrill): Promise<void> {
    if (this.#own(running).length > 0 && running.hasDied)
      await this.end(running, "vantages see for themselves that its target fails");
  }

  /** Brings up what is healthy and held down for the drill's sake. */
  async release(running: RunningDrill): Promise<void> {
    const reason = `drill ${running.record.id} has ended: it was healthy all the time`;
    for (const id of running.scene.vips) {
      // One that is judged by another has come up with it.
      if (!running.isHeldDown(id)) continue;
      await this.#putBack(running, { reason, edit: { kind: "release", target: { by: "vip", id } } });
    }
  }

  /** What the drill has made and still counts. */
  #own({ record }: RunningDrill): readonly Override[] {
    const { overrides, nowMs } = this.#options;
    const prefix = reasonPrefix(record);
    return overrides().filter(
      (override) => override.reason.startsWith(prefix) && isActive(override, nowMs()),
    );
  }

  /** Returns whether it is done; else it is to be tried again. */
  async #putBack(running: RunningDrill, request: Pick<ChangeRequest, "reason" | "edit">): Promise<boolean> {
    const why = await this.#options.change({ ...PUT_BACK, ...request }).then(reasonOf, unavailable);
    if (why !== null) running.postpone(why);
    return why === null;
  }
}

/** What rules are asked about in place of a drill, which may be made by agents; none: nothing is taken away. */
export function overrideInPlaceOf(
  { name, action, durationMs }: DrillSpec,
  createdMs: number,
): readonly Override[] {
  const ruled = ruledAs(action);
  if (ruled === null) return [];
  const by = { author: MERIDIAN, reason: name, createdMs, untilMs: createdMs + durationMs };
  return [{ id: overrideId(ruled), action: ruled, ...by }];
}

/** What the reason of a drill's override begins with. */
function reasonPrefix({ id }: DrillRecord): string {
  return `drill ${id}: `;
}

/** Why something was not done; null: it was. */
function reasonOf(outcome: ChangeOutcome): string | null {
  if (outcome.kind === "published") return null;
  if (outcome.kind === "conflict") return `somebody else made version ${outcome.current}`;
  if (outcome.kind === "forbidden") return outcome.why;
  if (outcome.kind === "proposed") return "it waits for a second person";
  if (outcome.kind === "tried") return "it was only tried";
  return outcome.problems.map(({ message }) => message).join("; ");
}

/** What cannot be done before the store can be used again. */
function unavailable(error: unknown): string {
  if (error instanceof StoreUnavailable) return error.message;
  throw error;
}
