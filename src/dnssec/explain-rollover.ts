/** Says of a rollover what it waits for, and what comes next. */

import { tags } from "./parent-ds.ts";
import { changesAlgorithm, type KeyState, type RolloverFacts, type Step } from "./rollover.ts";
import { untilMs } from "./rollover-waits.ts";

/** Where a zone stands, for people. */
export interface RolloverView {
  /** null: nothing comes next. */
  readonly nextStep: Step | null;
  /** When the step is over at the earliest, or while idle when the next rollover starts; null: it does not go by the clock. */
  readonly untilMs: number | null;
  /** What is so, and what is waited for; a sentence without its full stop. */
  readonly why: string;
}

/** The sentence for this moment; `everyMs` is how often keys are rolled (null: never without being asked to). */
export function explainRollover(
  state: KeyState,
  facts: Pick<RolloverFacts, "propagationMs" | "look">,
  everyMs: number | null,
  nowMs: number,
): RolloverView {
  const nextStep = nextOf(state);
  const { servedMs, step } = state;
  if (servedMs === null) {
    const why = `dns does not serve the step "${step}" yet: files that were refused, as the log says, or this very moment`;
    return { nextStep, untilMs: null, why };
  }
  if (step === "idle") {
    const dueMs = everyMs === null ? null : servedMs + everyMs;
    return { nextStep: null, untilMs: dueMs, why: whyIdle(state, dueMs) };
  }
  const dueMs = untilMs(state, changesAlgorithm(state), facts.propagationMs);
  return { nextStep, untilMs: dueMs, why: whyWaiting(state, facts.look?.why ?? null, dueMs, nowMs) };
}

/** The steps that it takes from here, in order; this one is not among them. */
function nextOf(state: KeyState): Step | null {
  const next: Readonly<Record<Step, Step | null>> = {
    idle: null,
    sign: "publish",
    publish: "submit",
    submit: "retire",
    retire: changesAlgorithm(state) ? "withdraw" : "remove",
    withdraw: "remove",
    remove: "idle",
  };
  return next[state.step];
}

function whyIdle({ to }: KeyState, dueMs: number | null): string {
  const signs = `${tagsOf(to)} ${to.length === 1 ? "signs" : "sign"} the zone`;
  return dueMs === null
    ? `${signs} until "meridian key roll"`
    : `${signs}; the next rollover starts at ${time(dueMs)}`;
}

function whyWaiting(state: KeyState, seen: string | null, dueMs: number | null, nowMs: number): string {
  const [old, fresh] = [tagsOf(state.from), tagsOf(state.to)];
  const until = dueMs === null ? "" : `until ${time(dueMs)}`;
  switch (state.step) {
    case "idle":
      return "";
    case "sign":
      return `${fresh} signs too; ${until} answers that ${old} alone has signed may be remembered`;
    case "publish":
      return `${fresh} is in the DNSKEY RRset; ${until} one without it may be remembered`;
    case "submit":
      return `CDS asks the parent for the DS of ${fresh} in place of that of ${old}: ${seen ?? "nobody has looked yet"}`;
    case "retire":
      if (dueMs === null)
        return `the parent no longer has the DS of ${fresh} alone: ${seen ?? "nobody has looked yet"}`;
      return nowMs < dueMs
        ? `the DS of ${fresh} is at the parent; ${until} that of ${old}, or what ${old} has signed, may be remembered`
        : `before ${old} goes the parent has to be seen with the DS of ${fresh} once more: ${seen ?? "nobody has looked yet"}`;
    case "withdraw":
      return `${old} has left the DNSKEY RRset and still signs; ${until} one with it may be remembered`;
    case "remove":
      return `${old} is used no more; its files go at ${time(dueMs ?? nowMs)}, when every node knows`;
  }
}

function tagsOf(keys: KeyState["to"]): string {
  return tags(keys.map(({ tag }) => tag));
}

/** To the second: that is how people compare it with their clocks. */
function time(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
