/** How services stand, for metrics. */

import type { ClassPlans } from "../book/content.ts";
import type { Config, VipId } from "../config/config.ts";
import { failoverBound } from "../health/bound.ts";
import type { Plan } from "../steering/plan.ts";
import type { Steps } from "../steps.ts";
import { type MeasuredService, SERVICES_MEASURED_MAX } from "../telemetry/measured.ts";
import { downIn } from "./alarm-watch.ts";
import type { Cohort } from "./cohort.ts";
import { memberOfVip } from "./lookup.ts";
import type { Planner } from "./planner.ts";

/** The first services of the config; `answersOf` says where their answers led. */
export function* measureServices(
  planner: Planner,
  config: Config,
  answersOf: (service: string) => ReadonlyMap<string, number>,
): Steps<readonly MeasuredService[]> {
  const measured: MeasuredService[] = [];
  const cohorts = new Map<number, readonly [Cohort, readonly ClassPlans[]]>();
  for (const entry of planner.plans()) {
    for (const number of entry[0].services) if (number < SERVICES_MEASURED_MAX) cohorts.set(number, entry);
    yield;
  }
  for (const [number, service] of config.services.slice(0, SERVICES_MEASURED_MAX).entries()) {
    const [cohort, plans] = cohorts.get(number) ?? [null, []];
    if (cohort === null) continue;
    const planned = new Map<string, number>();
    for (const { ipv4, ipv6 } of cohort.reach) planned.set(regionOf(config, ipv4 ?? ipv6), 0);
    const answering = plans.map(({ ipv4, ipv6 }) => (sharesOf(ipv4).length > 0 ? ipv4 : ipv6));
    for (const plan of answering) {
      for (const { vip, share } of sharesOf(plan)) {
        const region = regionOf(config, vip);
        planned.set(region, (planned.get(region) ?? 0) + share / plans.length);
      }
      yield;
    }
    measured.push({
      service: service.label,
      isUp: downIn(cohort, plans).down === 0,
      boundMs: failoverBound(service, config)?.totalMs ?? null,
      objectiveMs: service.failoverWithinMs,
      planned,
      answers: answersOf(service.label),
    });
  }
  return measured;
}

function regionOf(config: Config, vip: VipId | null): string {
  return (vip === null ? null : memberOfVip(config, vip)?.region) ?? "?";
}

function sharesOf(plan: Plan): Extract<Plan, { kind: "answer" }>["shares"] {
  return plan.kind === "answer" ? plan.shares : [];
}
