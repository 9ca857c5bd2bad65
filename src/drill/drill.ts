/** A drill as it is run: its phases, what happened when, and what came of it. */

import type { VantageId, VipId } from "../config/config.ts";
import type { DrillSpec } from "../config/drills.ts";

/**
 *     ordered       begins          end of its duration, a guard, or by hand       as before, or the time for that is over
 *       |-- watching --|-- running --------------|-- restoring -------------------------|-- over
 */
export type DrillPhase = "watching" | "running" | "restoring" | "over";

/** Why a drill's failure ended. */
export type DrillEnding =
  /** Its duration was over. */
  | { readonly kind: "on-time" }
  | { readonly kind: "guard"; readonly guard: GuardName; readonly reason: string }
  | { readonly kind: "by-hand"; readonly author: string; readonly reason: string }
  /** It was not begun: something had changed since it was ordered. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Control died meanwhile; orders and overrides end by themselves all the same. */
  | { readonly kind: "control-died" };

/** `lastAnswer`: something must be up to answer with. `override`: nobody ended the drill's. `sameConfig`: no other came into force. */
export type GuardName =
  | "regionsUp"
  | "errorsAtMost"
  | "loadAtMost"
  | "quietElsewhere"
  | "lastAnswer"
  | "override"
  | "sameConfig";

/** Something that the node saw or did, at a time of its own clock. */
export type Moment =
  /** The override is in answers, or the orders are with the agents. */
  | { readonly kind: "begun"; readonly atMs: number }
  /** A vantage's vote on a VIP turned; a vote that lapsed is `null`. */
  | {
      readonly kind: "voted";
      readonly atMs: number;
      readonly vip: VipId;
      readonly vantage: VantageId;
      readonly side: "up" | "down" | null;
    }
  /** A verdict went from up to down or back. */
  | { readonly kind: "flipped"; readonly atMs: number; readonly vip: VipId; readonly up: boolean }
  /** Dns has been told of other plans of these services, by their labels. */
  | { readonly kind: "patched"; readonly atMs: number; readonly services: readonly string[] }
  /** All orders and overrides of the drill have ended. */
  | { readonly kind: "ended"; readonly atMs: number; readonly ending: DrillEnding }
  /** Verdicts and plans are as they were before. */
  | { readonly kind: "restored"; readonly atMs: number };

/** A service that is watched, with what it promises. */
export interface DrilledService {
  readonly label: string;
  /** The failover bound; null: its policy reaches nothing that is checked, or the drill needs no check. */
  readonly boundMs: number | null;
  /** `failoverWithin`, or what the drill asks for in its place; null: neither. */
  readonly objectiveMs: number | null;
  readonly ttlSeconds: number;
}

/** All that the node knows of a drill; it is kept, and a report is made from it and from what the agents saw. */
export interface DrillRecord {
  readonly id: string;
  readonly spec: DrillSpec;
  readonly author: string;
  readonly reason: string;
  /** When agents began to watch. */
  readonly startedMs: number;
  /** From this moment all orders and overrides of the drill have ended, whoever is alive. */
  readonly untilMs: number;
  readonly services: readonly DrilledService[];
  /** The VIPs that it takes away. */
  readonly vips: readonly VipId[];
  /** Those of them that were down before it. */
  readonly downBefore: readonly VipId[];
  /** The addresses of all VIPs that the services may be answered with. */
  readonly addresses: Readonly<Record<VipId, string>>;
  readonly phase: DrillPhase;
  /** null: it has not. */
  readonly ending: DrillEnding | null;
  readonly moments: readonly Moment[];
}
