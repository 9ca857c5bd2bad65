/** What is wrong now: alarms follow from the state of a node, so that none is lost and none stays behind. */

import { type Alarm, alarm, keyOf } from "../alarm/alarm.ts";
import type { ClassPlans } from "../book/content.ts";
import type { AlarmConfig } from "../config/alarms.ts";
import type { Config, PoolId, Service } from "../config/config.ts";
import { formatQuantity } from "../config/units.ts";
import { trackedVips, vipsOf } from "../health/tracked.ts";
import type { Verdict } from "../health/verdict.ts";
import { formatProblem } from "../problem.ts";
import { type LocalPolicy, membersOf } from "../steering/local.ts";
import type { Plan } from "../steering/plan.ts";
import type { Steps } from "../steps.ts";
import type { Cohort } from "./cohort.ts";
import type { ConnectedVantage, LastReload } from "./desk.ts";
import { memberOfVip } from "./lookup.ts";
import { describeAction, isActive, type Override } from "./override.ts";
import type { Planner } from "./planner.ts";
import type { AuditEntry } from "./store.ts";

/** An alarm with what decides where it goes. */
export interface Condition {
  readonly alarm: Alarm;
  readonly concern: Concern;
}

/** node: the node itself, and so all that it serves. */
type Concern =
  | { readonly kind: "node" }
  | { readonly kind: "pool"; readonly pool: PoolId }
  | { readonly kind: "services"; readonly services: readonly Service[] };

const NODE: Concern = { kind: "node" };

/** A certificate that is in use. */
export interface UsedCertificate {
  /** `API`, `DNS over TLS`. */
  readonly of: string;
  readonly endMs: number;
}

/** The part of a node's state that is small. */
export interface NodeState {
  readonly nowMs: number;
  readonly config: Pick<AlarmConfig, "overrideEndsWithinMs" | "certificateEndsWithinMs">;
  readonly vantages: readonly ConnectedVantage[];
  readonly overrides: readonly Override[];
  readonly lastReload: LastReload;
  readonly certificates: readonly UsedCertificate[];
  readonly signaturesLate: boolean;
  /** Why the book on disk is not the one in force; null: it is. */
  readonly bookTrouble: string | null;
  /** What is wrong with the store, and what to do; null: nothing. */
  readonly storeTrouble: string | null;
}

/** What is wrong with the node, its agents, files and overrides. `sinceMs` says since when an alarm stands that does not know it. */
export function nodeConditions(state: NodeState, sinceMs: (key: string) => number): readonly Condition[] {
  const { nowMs, config } = state;
  const conditions: Condition[] = [];
  const add = (kind: Alarm["kind"], subject: string, summary: string, beganMs?: number): void => {
    const since = beganMs ?? sinceMs(keyOf({ kind, subject }));
    conditions.push({ alarm: alarm(kind, subject, summary, since), concern: NODE });
  };
  for (const { vantage, fresh, isolated, reportedAtMs, contradictedVips } of state.vantages) {
    const last = reportedAtMs === null ? "never" : new Date(reportedAtMs).toISOString();
    if (!fresh) add("vantage-lost", vantage, `vantage ${vantage} does not report; last report: ${last}`);
    else if (isolated)
      add(
        "vantage-isolated",
        vantage,
        `vantage ${vantage} alone sees ${formatQuantity(contradictedVips, "VIP")} down, and has no vote`,
      );
  }
  const { lastReload } = state;
  if (lastReload.kind === "refused") {
    const [first] = lastReload.problems;
    const others = lastReload.problems.length - 1;
    const more = others > 0 ? ` (+${formatQuantity(others, "problem")})` : "";
    const why = first === undefined ? "" : `: ${formatProblem(first)}${more}`;
    add(
      "files-refused",
      "files",
      `the files cannot be used; those read before stay in force${why}`,
      lastReload.atMs,
    );
  } else
    for (const warning of lastReload.warnings) add("files-degraded", warning.file, formatProblem(warning));
  for (const override of state.overrides) {
    const { action, author, createdMs, untilMs } = override;
    if (untilMs === null || !isActive(override, nowMs)) continue;
    // One that is as short as the warning needs none.
    const isLong = untilMs - createdMs > 2 * config.overrideEndsWithinMs;
    if (isLong && untilMs - nowMs <= config.overrideEndsWithinMs)
      add(
        "override-ending",
        override.id,
        `${describeAction(action)} (${author}) ends at ${new Date(untilMs).toISOString()}`,
      );
  }
  for (const { of, endMs } of state.certificates) {
    const end = new Date(endMs).toISOString();
    if (endMs <= nowMs) add("certificate-ended", of, `the certificate of ${of} ended at ${end}`, endMs);
    else if (endMs - nowMs <= config.certificateEndsWithinMs)
      add("certificate-ending", of, `the certificate of ${of} ends at ${end}`);
  }
  if (state.signaturesLate) add("signatures-late", "DNSSEC", "signatures have not been made anew in time");
  if (state.bookTrouble !== null)
    add("book-behind", "book", `the book on disk is behind the one in force: ${state.bookTrouble}`);
  if (state.storeTrouble !== null) add("store-failing", "store", state.storeTrouble);
  return conditions;
}

/** VIPs that are judged down, and pools whose VIPs cannot be judged. An operator who forces a VIP down knows it. */
export function verdictConditions(
  config: Config,
  verdicts: ReadonlyMap<string, Verdict>,
  sinceMs: (key: string) => number,
): readonly Condition[] {
  const conditions: Condition[] = [];
  for (const { vip, judgedBy } of trackedVips(config)) {
    const verdict = verdicts.get(vip);
    const pool = memberOfVip(config, vip)?.pool;
    if (
      verdict === undefined ||
      pool === undefined ||
      verdict.up ||
      judgedBy !== vip ||
      verdict.basis === "forced"
    )
      continue;
    const summary = `${vip} is down: ${verdict.reason}`;
    conditions.push({
      alarm: alarm("vip-down", vip, summary, verdict.sinceMs),
      concern: { kind: "pool", pool },
    });
  }
  for (const pool of config.pools.values()) {
    const vips = pool.members.flatMap(vipsOf);
    const held = vips.filter(({ id }) => verdicts.get(id)?.basis === "held");
    if (held.length === 0) continue;
    const summary = `pool ${pool.id}: too few vantages report to judge ${held.length} of ${formatQuantity(vips.length, "VIP")}; they stay as they were`;
    const since = sinceMs(keyOf({ kind: "verdicts-held", subject: pool.id }));
    conditions.push({
      alarm: alarm("verdicts-held", pool.id, summary, since),
      concern: { kind: "pool", pool: pool.id },
    });
  }
  return conditions;
}

/** Services of which some clients get what `whenDown` says, those with the same plans together. In steps: there may be 100,000. */
export function* serviceConditions(
  planner: Planner,
  config: Config,
  sinceMs: (key: string) => number,
): Steps<readonly Condition[]> {
  const conditions: Condition[] = [];
  for (const [cohort, plans] of planner.plans()) {
    const { service, services: numbers } = cohort;
    const { down, of } = downIn(cohort, plans);
    yield;
    if (down === 0) continue;
    const services = numbers.flatMap((number) => config.services[number] ?? []);
    const others = services.length - 1;
    const more = others > 0 ? ` (+${formatQuantity(others, "service")})` : "";
    const extent = down === of ? "for all clients" : `for clients of ${down} of ${of} classes`;
    const summary = `${service.label}${more} has nothing up ${extent}; answered as whenDown says: ${service.whenDown.kind}`;
    const since = sinceMs(keyOf({ kind: "service-down", subject: service.label }));
    conditions.push({
      alarm: alarm("service-down", service.label, summary, since),
      concern: { kind: "services", services },
    });
  }
  return conditions;
}

/**
 * Of how many classes clients get what `whenDown` says, and of how many that could be said. Those that the policy has
 * nothing for get that in the best of times, and are none; where nobody gets it, none is counted.
 */
export function downIn(
  { locals }: Pick<Cohort, "locals">,
  plans: readonly ClassPlans[],
): { readonly down: number; readonly of: number } {
  if (!plans.some(isDown)) return { down: 0, of: 0 };
  const served = plans.filter((_, classNumber) => hasMembers(locals[classNumber]));
  return { down: served.filter(isDown).length, of: served.length };
}

function hasMembers(local: LocalPolicy | undefined): boolean {
  return local !== undefined && membersOf(local).size > 0;
}

function isDown({ ipv4, ipv6 }: ClassPlans): boolean {
  return [ipv4, ipv6].some((plan: Plan) => plan.kind === "servfail" || plan.lastResort);
}

/** The moment that an entry of the audit list is for who wants to be told; null: none. */
export function momentOf({ sequence, event, atMs, author, detail, reason }: AuditEntry): Condition | null {
  const of = (kind: Alarm["kind"], summary: string): Condition => ({
    alarm: alarm(kind, `audit entry ${sequence}`, summary, atMs, false),
    concern: NODE,
  });
  switch (event) {
    case "change-forced":
      return of(event, `${author} has forced ${detail} (${reason})`);
    case "override-expired":
      return of(event, `${detail} has come to its end`);
    case "change-proposed":
    case "stage-rolled-back":
    case "stage-paused":
    case "store-restored":
    case "drill-begun":
    case "drill-ended":
    case "drill-aborted":
    case "drill-refused":
      return of(event, `${event.replaceAll("-", " ")}: ${detail} (${author}: ${reason})`);
    default:
      return null;
  }
}
