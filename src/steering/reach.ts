/** Which members a policy can ever answer with, whatever the location and the facts. */

import type { Config, Member } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import { memberOf, poolOf } from "./references.ts";

/** The members that a policy names, each once, in its order. */
export function declaredMembers(policy: Policy, config: Config): ReadonlySet<Member> {
  const members = new Set<Member>();
  collect(policy, config, members);
  return members;
}

function collect(policy: Policy, config: Config, members: Set<Member>): void {
  switch (policy.kind) {
    case "pool":
      for (const member of poolOf(policy.pool, config).members) members.add(member);
      break;
    case "member":
      members.add(memberOf(policy.member, config));
      break;
    case "geo":
      for (const { use } of policy.cases) collect(use, config, members);
      if (policy.default !== null) collect(policy.default, config, members);
      break;
    case "nearest":
    case "latency":
    case "sticky":
      collect(policy.of, config, members);
      break;
    case "weighted":
      for (const { use } of policy.choices) collect(use, config, members);
      break;
    case "failover":
      for (const child of policy.order) collect(child, config, members);
      break;
  }
}
