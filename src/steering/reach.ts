/** Which members a policy can ever answer with, whatever the location and the facts. */

import type { Config, Member } from "../config/config.ts";
import { childrenOf, type Policy } from "../config/policy.ts";
import { memberOf, poolOf } from "./references.ts";

/** The members that a policy names, each once, in its order. */
export function declaredMembers(policy: Policy, config: Config): ReadonlySet<Member> {
  const members = new Set<Member>();
  collect(policy, config, members);
  return members;
}

function collect(policy: Policy, config: Config, members: Set<Member>): void {
  if (policy.kind === "pool") for (const member of poolOf(policy.pool, config).members) members.add(member);
  if (policy.kind === "member") members.add(memberOf(policy.member, config));
  for (const child of childrenOf(policy)) collect(child, config, members);
}
