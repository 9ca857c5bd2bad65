/** A plan as the API shows it: with the addresses, members and regions behind its VIPs. */

import Type from "typebox";
import type { Config, VipId } from "../../config/config.ts";
import { vipsOf } from "../../health/tracked.ts";
import type { Plan } from "../../steering/plan.ts";
import type { Ttl } from "../../steering/ttl.ts";
import { memberOfVip } from "../lookup.ts";
import { nullable, object, oneOf } from "./schemas.ts";

/** What clients of one class are answered, in one family. */
export interface PlanView {
  readonly kind: Plan["kind"];
  /** True when nothing was up and `whenDown` decided. */
  readonly lastResort: boolean;
  readonly shares: readonly ShareView[];
}

/** One VIP of a plan. */
export interface ShareView {
  readonly vip: string;
  readonly address: string;
  readonly member: string;
  readonly region: string;
  /** Of all answers, above 0; the shares of a plan add up to 1. */
  readonly probability: number;
}

/** The schema of a `ShareView`. */
export const shareSchema: Type.TUnsafe<ShareView> = Type.Unsafe<ShareView>(
  object({
    vip: Type.String(),
    address: Type.String(),
    member: Type.String(),
    region: Type.String(),
    probability: Type.Number({ minimum: 0, maximum: 1.000001 }),
  }),
);

/** The schema of a `PlanView`. */
export const planSchema: Type.TUnsafe<PlanView> = Type.Unsafe<PlanView>(
  object({
    kind: oneOf(["answer", "nodata", "servfail"], "answer, nodata or servfail"),
    lastResort: Type.Boolean({ description: "nothing was up, so whenDown decided" }),
    shares: Type.Array(shareSchema),
  }),
);

/** Why a TTL is what it is. */
interface TtlWhyView {
  readonly kind: Ttl["why"]["kind"];
  /** The VIP that may be the first to change what is answered; null: none by itself, or it does not matter. */
  readonly vip: string | null;
  /** For so long it stays as it is, at the least. */
  readonly steadyMs: number | null;
}

/** The schema of a `TtlWhyView`. */
export const ttlWhySchema: Type.TUnsafe<TtlWhyView> = Type.Unsafe<TtlWhyView>(
  object({
    kind: oneOf(
      ["fixed", "settled", "emergency", "ramp", "verdict"],
      "settled: nothing changes by itself; emergency: nothing in use is up; ramp, verdict: what may change first",
    ),
    vip: nullable(Type.String({ description: "the VIP that may change first" })),
    steadyMs: nullable(Type.Number({ description: "for so long it stays as it is, at the least" })),
  }),
);

/** The reason for a TTL as the API shows it. */
export function ttlWhyView({ why }: Ttl): TtlWhyView {
  const { kind } = why;
  return "vip" in why ? { kind, vip: why.vip, steadyMs: why.steadyMs } : { kind, vip: null, steadyMs: null };
}

/** A plan for the eyes of people. */
export function planView(plan: Plan, config: Config): PlanView {
  switch (plan.kind) {
    case "answer": {
      const { kind, lastResort } = plan;
      return {
        kind,
        lastResort,
        shares: plan.shares.flatMap(({ vip, share }) => shareView(vip, share, config)),
      };
    }
    case "nodata":
      return { kind: plan.kind, lastResort: plan.lastResort, shares: [] };
    case "servfail":
      return { kind: plan.kind, lastResort: true, shares: [] };
  }
}

function shareView(id: VipId, probability: number, config: Config): readonly ShareView[] {
  const member = memberOfVip(config, id);
  if (member === null) return [];
  return vipsOf(member)
    .filter((vip) => vip.id === id)
    .map(({ address }) => ({
      vip: id,
      address: address.text,
      member: member.id,
      region: member.region,
      probability,
    }));
}
