/** Takes overrides that would move too many clients step by step, and back where that does harm. */

import type { Config } from "../config/config.ts";
import type { Facts } from "../steering/facts.ts";
import { describeAction, isActive, type Override } from "./override.ts";
import type { Attempt, Safety } from "./safety.ts";
import { describeStage, harmTo, type Stage } from "./stage.ts";
import type { AuditEvent } from "./store.ts";

/** Parts of an override are told apart to within this. */
const PART_MIN = 1 / 128;

/** What becomes of one override. */
export interface StageStep {
  readonly set: readonly Override[];
  /** Ids. */
  readonly ended: readonly string[];
  /** For the audit list; null: a step among others. */
  readonly record: { readonly event: AuditEvent; readonly detail: string; readonly reason: string } | null;
  /** For the log. */
  readonly note: string;
}

export interface StagerOptions {
  readonly safety: Safety;
  readonly nowMs: () => number;
  readonly config: () => Config;
  readonly facts: () => Facts;
  readonly overrides: () => readonly Override[];
}

/** An override on its way. */
type Staged = Override & { readonly stage: Stage };

/** Works out steps; whoever asks for one puts it in force. */
export class Stager {
  readonly #options: StagerOptions;

  constructor(options: StagerOptions) {
    this.#options = options;
  }

  /** An override with its first step taken; null: there is no step that is small enough. */
  async begin(override: Override): Promise<Override | null> {
    const before = this.#options.overrides().find(({ id }) => id === override.id) ?? null;
    const replaced = before?.stage?.replaced ?? before;
    return await this.#begin({ ...override, stage: { ...NOT_BEGUN, part: 0, goal: 1, replaced } });
  }

  /** An override with the first step to its end taken; null: there is no step that is small enough. */
  async beginEnd(override: Override): Promise<Override | null> {
    const part = override.stage?.part ?? 1;
    const replaced = override.stage?.replaced ?? null;
    return await this.#begin({ ...override, stage: { ...NOT_BEGUN, part, goal: 0, replaced } });
  }

  /** What is due of all overrides that are on their way. */
  async due(): Promise<readonly StageStep[]> {
    const steps: StageStep[] = [];
    for (const override of this.#options.overrides()) {
      if (!isStaged(override) || !isActive(override, this.#options.nowMs())) continue;
      const step = await this.#due(override);
      if (step !== null) steps.push(step);
    }
    return steps;
  }

  /** Puts everything back as it was before an override began to change. */
  takeBack(override: Override, event: AuditEvent, reason: string): StageStep | null {
    if (!isStaged(override)) return null;
    const { goal, replaced } = override.stage;
    const detail = `${describeAction(override.action)}, ${describeStage({ ...override.stage, nextMs: null })}`;
    const common = { record: { event, detail, reason }, note: `${detail}: ${event} (${reason})` };
    if (goal === 0) return { set: [whole(override)], ended: [], ...common };
    const isBack = replaced !== null && isActive(replaced, this.#options.nowMs());
    return isBack ? { set: [replaced], ended: [], ...common } : { set: [], ended: [override.id], ...common };
  }

  async #begin(override: Staged): Promise<Override | null> {
    const { safety, facts, config } = this.#options;
    const moved = await safety.moved(attemptOf(this.#at(override, override.stage.goal)));
    const known = facts();
    const watched = [...(moved?.gaining ?? [])].filter((vip) => harmTo(vip, known, config()) === null);
    return await this.#stepped({ ...override, stage: { ...override.stage, watched } });
  }

  async #due(override: Staged): Promise<StageStep | null> {
    const { facts, config, nowMs } = this.#options;
    const { stage, action, id } = override;
    const known = facts();
    for (const vip of stage.watched) {
      const harm = harmTo(vip, known, config());
      if (harm !== null) return this.takeBack(override, "stage-rolled-back", harm);
    }
    if (stage.nextMs === null || nowMs() < stage.nextMs) return null;
    const { problems } = await this.#options.safety.review(attemptOf(this.#at(override, stage.goal)));
    const broken = problems[0]?.message ?? null;
    const next = broken === null ? await this.#stepped(override) : null;
    if (next === null) {
      const why = broken ?? "the next step would move too many clients";
      const paused = { ...override, stage: { ...stage, nextMs: null } };
      const detail = `${describeAction(action)}, ${describeStage(paused.stage)}`;
      return {
        set: [paused],
        ended: [],
        record: { event: "stage-paused", detail, reason: why },
        note: `${detail}: ${why}`,
      };
    }
    if (isStaged(next))
      return {
        set: [next],
        ended: [],
        record: null,
        note: `${describeAction(action)}, ${describeStage(next.stage)}`,
      };
    const detail = describeAction(action);
    const reason = "all steps are taken";
    return stage.goal === 1
      ? {
          set: [next],
          ended: [],
          record: { event: "stage-finished", detail, reason },
          note: `${detail} is in force as a whole`,
        }
      : {
          set: [],
          ended: [id],
          record: { event: "override-ended", detail, reason },
          note: `${detail} has ended`,
        };
  }

  /** The largest step that moves no more clients than one change may; without a stage where it comes to its goal. */
  async #stepped(override: Staged): Promise<Override | null> {
    const { safety, nowMs, config } = this.#options;
    const { stage } = override;
    const rule = config().safety.maxMoved;
    const fits = async (part: number): Promise<boolean> =>
      rule === null || ((await safety.moved(attemptOf(this.#at(override, part))))?.share ?? 0) <= rule.share;
    if (rule === null || (await fits(stage.goal))) return whole(override);
    let [near, far]: [number, number] = [stage.part, stage.goal];
    while (Math.abs(far - near) > PART_MIN) {
      const middle = (near + far) / 2;
      if (await fits(middle)) near = middle;
      else far = middle;
    }
    const nextMs = nowMs() + rule.stageEveryMs;
    return near === stage.part ? null : { ...override, stage: { ...stage, part: near, nextMs } };
  }

  /** All overrides, with so much of one of them. */
  #at(override: Staged, part: number): readonly Override[] {
    const others = this.#options.overrides().filter(({ id }) => id !== override.id);
    if (part === 1) return [...others, whole(override)];
    const { replaced } = override.stage;
    if (part === 0) return replaced === null ? others : [...others, replaced];
    return [...others, { ...override, stage: { ...override.stage, part } }];
  }
}

/** What was begun in a window goes on behind it, so it is asked as what puts something back. */
function attemptOf(overrides: readonly Override[]): Attempt {
  return { kind: "overrides", overrides, restores: true, isDrill: false };
}

const NOT_BEGUN = { nextMs: null, watched: [] } as const;

function isStaged(override: Override): override is Staged {
  return override.stage !== undefined;
}

function whole({ stage: _, ...override }: Override): Override {
  return override;
}
