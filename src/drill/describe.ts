/** Says in a clause what a drill does, how it ended, and what happened in it. */

import type { DrillSpec } from "../config/drills.ts";
import type { DrillEnding, Moment } from "./drill.ts";

/** `dead region eu-west`, `cut dublin, tokyo`. */
export function describeDrill({ action }: DrillSpec): string {
  switch (action.kind) {
    case "cut":
      return `cut ${action.vantages.join(", ")}`;
    case "weight":
      return `weight of ${action.target.by} ${action.target.id} ${action.weight}`;
    default:
      return `${action.kind} ${action.target.by} ${action.target.id}`;
  }
}

export function describeEnding(ending: DrillEnding): string {
  switch (ending.kind) {
    case "on-time":
      return "its time was over";
    case "guard":
      return `guard ${ending.guard}: ${ending.reason}`;
    case "by-hand":
      return `by ${ending.author}: ${ending.reason}`;
    case "refused":
      return `not begun: ${ending.reason}`;
    case "control-died":
      return "control died meanwhile";
  }
}

export function describeMoment(moment: Moment): string {
  switch (moment.kind) {
    case "begun":
      return "the failure begins";
    case "voted":
      return `${moment.vantage} sees ${moment.vip} ${moment.side ?? "no more"}`;
    case "flipped":
      return `${moment.vip} is ${moment.up ? "up" : "down"}`;
    case "patched":
      return `answers change: ${moment.services.join(", ")}`;
    case "ended":
      return `the failure ends: ${describeEnding(moment.ending)}`;
    case "restored":
      return "all is as before";
  }
}
