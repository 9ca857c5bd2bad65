/** Tries a change on the traffic that there was: another config, other facts, or both. */

import { type Checked, inRequest, type Problem } from "../problem.ts";
import type { Facts } from "../steering/facts.ts";
import { suppose } from "../steering/suppose.ts";
import type { Steps } from "../steps.ts";
import { evenProfile } from "./even-profile.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { inTurns } from "./in-turns.ts";
import type { Edition } from "./live-book.ts";
import { Planner } from "./planner.ts";
import type { ProfileWindow } from "./profile.ts";
import { Course, type Simulation, simulate } from "./simulate.ts";
import type { Loaded, Snapshot } from "./snapshot.ts";
import { parseWhatIf } from "./what-if.ts";

/** A change to try. */
export interface RehearsalRequest {
  /** The text of a `meridian.yaml` in place of the running one; null: the running one. */
  readonly config: string | null;
  /** Facts to suppose, as `parseWhatIf` takes them. */
  readonly supposed: readonly string[];
  /** Even traffic from all countries in place of what was recorded. */
  readonly isEven: boolean;
  /** Since when the traffic counts. */
  readonly fromMs: number;
}

/** What a change would do, or why that cannot be said. */
export type RehearsalOutcome =
  | { readonly kind: "simulated"; readonly simulation: Simulation }
  /** The change would be refused. */
  | { readonly kind: "refused"; readonly problems: readonly Problem[] }
  | { readonly kind: "no-traffic" };

/** What a rehearsal is made with. */
export interface Stage {
  readonly edition: Edition;
  readonly keeper: FactKeeper;
  readonly nowMs: number;
  /** Loads the files with this text in place of the config. */
  readonly load: (config: string) => Promise<Loaded>;
  /** null: no profile is kept. */
  readonly windows: Iterable<ProfileWindow> | null;
}

/** Nothing of it is put in force. Equal requests of equal traffic and facts give equal outcomes. */
export async function rehearse(
  { config, supposed, isEven }: RehearsalRequest,
  { edition: { snapshot, planner }, keeper, nowMs, load, windows }: Stage,
): Promise<RehearsalOutcome> {
  const known = keeper.frozenFactsFor(snapshot.config, nowMs);
  const { value: proposed, problems } =
    config === null ? { value: snapshot, problems: [] } : await load(config);
  if (proposed === null) return { kind: "refused", problems };
  const whatIf = parseWhatIf(supposed, proposed.config);
  if (whatIf.problems.length > 0) return { kind: "refused", problems: whatIf.problems.map(inRequest) };
  const supposing = suppose(keeper.frozenFactsFor(proposed.config, nowMs), whatIf.value);

  const before = await inTurns(courseOf(snapshot, known, planner));
  const after = await inTurns(courseOf(proposed, supposing, planner));
  if (before.value === null || after.value === null)
    return { kind: "refused", problems: [...before.problems, ...after.problems] };
  const traffic = isEven ? [await inTurns(evenProfile(snapshot, before.value))] : (windows ?? []);
  const simulation = await inTurns(simulate(traffic, !isEven, before.value, after.value));
  return simulation.samples === 0 ? { kind: "no-traffic" } : { kind: "simulated", simulation };
}

/** Where config and atlas are those of `like`, the world is split already. */
function* courseOf(snapshot: Snapshot, facts: Facts, like: Planner): Steps<Checked<Course>> {
  const { value: planner, problems } = yield* Planner.inSteps(snapshot, like);
  if (planner === null) return { value: null, problems };
  yield* planner.planAllInSteps(facts);
  return { value: yield* Course.of(snapshot, planner, facts), problems: [] };
}
