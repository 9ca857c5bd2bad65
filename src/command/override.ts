/** `meridian drain`, `weight`, `force-up`, `force-down`, `freeze`, `end`: an operator's word, which wins over facts and config. */

import { type ApiOptions, askApi, postToApi } from "./api-call.ts";
import { print } from "./console.ts";

/** What an override can be ordered by. */
export type Verb = "drain" | "weight" | "force-up" | "force-down" | "freeze";

export interface OrderOptions extends ApiOptions {
  readonly reason: string;
  /** How long it holds; absent: until it is ended. */
  readonly for?: string;
  /** Of a drain: over how long clients leave. */
  readonly ramp?: string;
  /** Of a weight: the name is that of a choice, `policy/choice`. */
  readonly choice?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** What is told of an override as the API has it. */
interface TakenOverride {
  readonly id: string;
  /** null: until it is ended. */
  readonly until: string | null;
  /** Of a drain with a ramp. */
  readonly drainedAt?: string;
  /** Of one that takes effect step by step. */
  readonly stage?: { readonly text: string };
}

const KINDS: Readonly<Record<Verb, object>> = {
  drain: { kind: "drain" },
  weight: { kind: "weight" },
  "force-up": { kind: "force", verdict: "up" },
  "force-down": { kind: "force", verdict: "down" },
  freeze: { kind: "freeze" },
};

/** Sets an override on what has this name, and prints what became of it. */
export async function order(
  verb: Verb,
  name: string,
  weight: number | null,
  options: OrderOptions,
): Promise<void> {
  const { reason, ramp, force } = options;
  const made = await postToApi(
    "/v1/overrides",
    {
      ...KINDS[verb],
      target: options.choice === true ? { choice: name } : targetOf(name),
      reason,
      ...(weight === null ? {} : { weight }),
      ...(options.for === undefined ? {} : { until: `+${options.for}` }),
      ...(ramp === undefined ? {} : { ramp }),
      ...(force === true ? { force } : {}),
    },
    options,
  );
  if (made !== null) tell(made, options);
}

/** A region, a member (`pool/member`) or a VIP (`pool/member/ipv4`). */
export function targetOf(name: string): object {
  return { [["region", "member", "vip"][name.split("/").length - 1] ?? "vip"]: name };
}

/** Ends an override. */
export async function endOverride(id: string, options: OrderOptions): Promise<void> {
  const query = new URLSearchParams({
    reason: options.reason,
    ...(options.force === true ? { force: "true" } : {}),
  });
  const ended = await askApi("DELETE", `/v1/overrides/${encodeURIComponent(id)}?${query}`, null, options);
  if (ended !== null) tell(ended, options);
}

/** Pauses, resumes or aborts an override that takes effect step by step. */
export async function stage(
  what: "pause" | "resume" | "abort",
  id: string,
  options: OrderOptions,
): Promise<void> {
  const body = { order: what, reason: options.reason };
  const staged = await postToApi(`/v1/overrides/${encodeURIComponent(id)}/stage`, body, options);
  if (staged !== null) tell(staged, options);
}

/** Approves a change that somebody else has proposed, or withdraws it. */
export async function decide(what: "approve" | "withdraw", id: string, options: OrderOptions): Promise<void> {
  const { reason } = options;
  const path = `/v1/proposals/${encodeURIComponent(id)}`;
  const decided =
    what === "approve"
      ? await postToApi(`${path}/approval`, { reason }, options)
      : await askApi("DELETE", `${path}?${new URLSearchParams({ reason })}`, null, options);
  if (decided !== null) tell(decided, options);
}

/** What is in force, or waits for a second person. */
function tell(outcome: object, { json }: OrderOptions): void {
  if (json === true) print(JSON.stringify(outcome, null, 2));
  else if ("proposal" in outcome && typeof outcome.proposal === "object" && outcome.proposal !== null) {
    const { id, change, until } = outcome.proposal as Readonly<Record<string, string>>;
    print(`${change} waits for a second person until ${until}: meridian approve ${id}`);
  } else if ("override" in outcome && typeof outcome.override === "object" && outcome.override !== null) {
    const { id, until, drainedAt, stage } = outcome.override as TakenOverride;
    print(`${id} is in force until ${until ?? "it is ended"}`);
    if (drainedAt !== undefined) print(`its last clients leave at ${drainedAt}`);
    if (stage !== undefined)
      print(`it would move too many clients at once, so it takes effect in steps: ${stage.text}`);
  } else if ("version" in outcome) print(`done, as version ${outcome.version}`);
}
