/** What declared files would change, before anybody puts them in force. */

import type { Config } from "../config/config.ts";
import { failoverBound } from "../health/bound.ts";
import type { Problem } from "../problem.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { type DeclaredDiff, type DeclaredTexts, diffDeclared } from "./declared-diff.ts";
import { inTurns } from "./in-turns.ts";
import type { RehearsalOutcome } from "./rehearse.ts";
import type { Review } from "./safety.ts";
import type { Simulation } from "./simulate.ts";
import type { Loaded, Snapshot } from "./snapshot.ts";

/** So many bounds that change are told. */
const BOUNDS_MAX = 100;

/** What a change of the declared files comes to. */
export interface Preview {
  /** That of the node when this was made: no other change may come between. */
  readonly version: number;
  readonly diff: DeclaredDiff;
  /** Services whose failover bound becomes another. */
  readonly bounds: readonly BoundChange[];
  /** Who would move; null: nobody asks, or nothing is different. */
  readonly simulation: Simulation | null;
  /** The safety rules that it would break. */
  readonly against: readonly Problem[];
  /** Why a second person would have to approve it; null: nobody would. */
  readonly approval: string | null;
}

/** In milliseconds; null: none of its pools has a check. */
interface BoundChange {
  readonly service: string;
  readonly beforeMs: number | null;
  readonly afterMs: number | null;
}

export type PreviewOutcome =
  | { readonly kind: "previewed"; readonly preview: Preview }
  /** It would be refused, for this. */
  | { readonly kind: "refused"; readonly problems: readonly Problem[] };

/** What a preview is made with. */
export interface PreviewStage {
  readonly version: number;
  readonly snapshot: Snapshot;
  /** What the files in force say. */
  readonly inForce: DeclaredTexts;
  readonly load: (texts: ReadonlyMap<string, string>) => Promise<Loaded>;
  /** What a snapshot would be refused for, whoever wants it, and what would have to be forced or approved. */
  readonly review: (
    snapshot: Snapshot,
  ) => Promise<{ readonly problems: readonly Problem[]; readonly reviewed: Review }>;
  /** Tries files that were loaded on the traffic that there was, or on even traffic. */
  readonly rehearse: (loaded: Loaded, isEven: boolean) => Promise<RehearsalOutcome>;
}

const nobodyMinds = { against: [], approval: null };

/** Says what these files would change; nothing is put in force. */
export async function preview(
  texts: ReadonlyMap<string, string>,
  { version, snapshot, inForce, load, review, rehearse }: PreviewStage,
): Promise<PreviewOutcome> {
  const loaded = await load(texts);
  if (loaded.value === null) return { kind: "refused", problems: loaded.problems };
  const { problems, reviewed } = await review(loaded.value);
  if (problems.length > 0) return { kind: "refused", problems };
  const diff = await inTurns(diffDeclared(inForce, { file: inForce.file, texts }));
  if (diff.files.length === 0)
    return { kind: "previewed", preview: { version, diff, bounds: [], simulation: null, ...nobodyMinds } };
  const bounds = await inTurns(changedBounds(snapshot.config, loaded.value.config));
  const recorded = await rehearse(loaded, false);
  const tried = recorded.kind === "no-traffic" ? await rehearse(loaded, true) : recorded;
  if (tried.kind === "refused") return tried;
  const simulation = tried.kind === "simulated" ? tried.simulation : null;
  const approval = reviewed.approval?.problem.message ?? null;
  const preview = { version, diff, bounds, simulation, against: reviewed.problems, approval };
  return { kind: "previewed", preview };
}

function* changedBounds(before: Config, after: Config): Steps<readonly BoundChange[]> {
  const old = new Map<string, number | null>();
  yield* forEachInSteps(before.services, (service) => {
    old.set(service.label, failoverBound(service, before)?.totalMs ?? null);
  });
  const changed: BoundChange[] = [];
  yield* forEachInSteps(after.services, (service) => {
    const beforeMs = old.get(service.label) ?? null;
    const afterMs = failoverBound(service, after)?.totalMs ?? null;
    if (old.has(service.label) && beforeMs !== afterMs)
      changed.push({ service: service.label, beforeMs, afterMs });
  });
  return changed.slice(0, BOUNDS_MAX);
}
