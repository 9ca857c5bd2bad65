/** What operators declare of drills: rehearsed failures with an end, an expectation and guards. */

import type { MemberId, Place, RegionId, VantageId, VipId } from "./config.ts";
import type { Cron } from "./cron.ts";

/** What a drill does, and to what. */
export type DrillAction =
  /** An override of the same kind, with an end. */
  | { readonly kind: "drain"; readonly target: DrillTarget<"member" | "region"> }
  | { readonly kind: "weight"; readonly target: DrillTarget<"member" | "region">; readonly weight: number }
  /** These vantages report it dead, so that it is found out as a true death is. */
  | { readonly kind: "dead"; readonly target: DrillTarget; readonly by: readonly VantageId[] }
  /** These vantages say nothing. */
  | { readonly kind: "cut"; readonly vantages: readonly VantageId[] };

/** Something of the config that has VIPs. */
export type DrillTarget<By extends "region" | "member" | "vip" = "region" | "member" | "vip"> = {
  readonly [K in By]: { readonly by: K; readonly id: TargetIds[K] };
}[By];

interface TargetIds {
  readonly region: RegionId;
  readonly member: MemberId;
  readonly vip: VipId;
}

/** Who should get what, within how long. */
export interface DrillExpectation {
  /** Clients that were answered with what the drill takes away get only these; none: whatever is left. */
  readonly to: readonly VipId[];
  /** The same in the operator's words. */
  readonly words: readonly string[];
  /** From the beginning of the drill to the last client's new answer; null: the bound of each service. */
  readonly withinMs: number | null;
}

/** What ends a drill before its time. Where one is broken already, the drill does not begin. */
export interface DrillGuards {
  /** So many regions have an answer that is up in each service of the drill. */
  readonly regionsUp: number;
  /** The share of the watchers' connections that fail, 0 to 1, over five seconds. */
  readonly errorsAtMost: number;
  /** The part of the capacity of what is left that is in use, 0 to 1, where loads are known. */
  readonly loadAtMost: number;
  /** Nothing that the drill does not speak of goes down. */
  readonly quietElsewhere: boolean;
}

/** When a drill begins by itself. */
export interface DrillSchedule {
  readonly cron: Cron;
  /** A name of the IANA time zone database. */
  readonly zone: string;
  /** Days in that zone on which it does not, as `2026-12-24`. */
  readonly blocked: readonly string[];
}

/** A drill that can be run. */
export interface DrillSpec {
  /** Its name in the config, or what the one who started it calls it. */
  readonly name: string;
  readonly action: DrillAction;
  /** From the order to the moment from which all is as before. */
  readonly durationMs: number;
  /** The labels of the services that are watched; none: all that can be answered with what the drill takes away. */
  readonly services: readonly string[];
  readonly expect: DrillExpectation;
  readonly guards: DrillGuards;
}

/** A drill of the config. */
export interface DeclaredDrill extends DrillSpec {
  readonly place: Place;
  /** null: it begins when somebody says so. */
  readonly schedule: DrillSchedule | null;
}
