/** Takes overrides that would move too many clients step by step, and back where that does harm. */

import type { Config } from "../config/config.ts";
import type { Facts } from "../steering/facts.ts";
import { describeAction, isActive, type Override } from "./override.ts";
import type { Attempt, Safety } from "./safety.ts";
import { describeStage, describeWay, harmTo, type Stage } from "./stage.ts";
import type { AuditEvent } from "./store.ts";

/** Parts of an override are told apart to within this. */
const PART_MIN = 1 / 128;

/** What becomes of one override. */
export interface StageStep {
  readonly set: readonly Override[];
  /** Ids. */
  readonly ended: readonly string[];
  /** For the audit list; a string: it is a step among others, for the log. */
  readonly record: { readonly event: AuditEvent; readonly detail: string; readonly reason: string } | string;
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

  /** The ids of overrides that are on their way. */
  ids(): readonly string[] {
    return this.#options.overrides().flatMap((override) => (isStaged(override) ? [override.id] : []));
  }

  /** What is due of one override; null: nothing. */
  async due(id: string): Promise<StageStep | null> {
    const override = this.#options.overrides().find((one) => one.id === id);
    const isDue = override !== undefined && isStaged(override) && isActive(override, this.#options.nowMs());
    return isDue ? await this.#due(override) : null;
  }

  /** Puts everything back as it was before an override began to change. */
  takeBack(override: Override, event: AuditEvent, reason: string): StageStep | null {
    if (!isStaged(override)) return null;
    const { goal, replaced } = override.stage;
    const detail = `${describeAction(override.action)}, ${describeWay(override.stage)}`;
    const record = { event, detail, reason };
    if (goal === 0) return { set: [whole(override)], ended: [], record };
    const isBack = replaced !== null && isActive(replaced, this.#options.nowMs());
    return isBack ? { set: [replaced], ended: [], record } : { set: [], ended: [override.id], record };
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
    const detail = describeAction(action);
    if (next === null) {
      const reason = broken ?? "the next step would move too many clients";
      const paused = { ...override, stage: { ...stage, nextMs: null } };
      const record = { event: "stage-paused", detail: `${detail}, ${describeWay(stage)}`, reason } as const;
      return { set: [paused], ended: [], record };
    }
    if (isStaged(next)) return { set: [next], ended: [], record: `${detail}, ${describeStage(next.stage)}` };
    const reason = "all steps are taken";
    return stage.goal === 1
      ? { set: [next], ended: [], record: { event: "stage-finished", detail, reason } }
      : { set: [], ended: [id], record: { event: "override-ended", detail, reason } };
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
