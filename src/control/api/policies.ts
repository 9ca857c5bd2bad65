/** Policies with a name, as the config declares them. */

import Type, { type Static } from "typebox";
import type { Policy } from "../../config/policy.ts";
import { matchText } from "../../steering/localise.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { itemOf, itemUrl, next, pageOf, pageQuery } from "./page.ts";
import { errorBody, idParameter, nullable, object, url } from "./schemas.ts";

const policySchema = object(
  {
    policy: Type.String(),
    url,
    kind: Type.String({ description: "geo, nearest, latency, weighted, failover, sticky or spread" }),
    nodes: Type.Array(
      object({
        depth: Type.Integer({ minimum: 0, description: "how far below the policy it stands" }),
        when: nullable(Type.String({ description: "when it is used: country GB, choice 1, new" })),
        kind: Type.String({ description: "pool, member, or the kind of a policy" }),
        name: nullable(Type.String({ description: "null: a policy that is written in place" })),
        weight: nullable(Type.Number({ description: "of a choice by weight, as it is declared" })),
      }),
      { description: "the policy and all below it, each after what it stands in" },
    ),
  },
  { description: "A policy with a name." },
);

const policies = object(
  { policies: Type.Array(policySchema), next },
  { description: "Policies with a name, as declared." },
);

export function policyRoutes(app: Api, desk: Desk): void {
  const named = (): readonly (readonly [string, Policy])[] => [...desk.snapshot().config.policies];

  app.get(
    "/v1/policies",
    {
      config: { access: "reader" },
      schema: {
        summary: "Policies with a name",
        tags: ["config"],
        querystring: pageQuery(),
        response: { 200: policies, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(named(), ([name]) => name, query);
      return { policies: entries.map(policyOf), next };
    },
  );

  app.get(
    "/v1/policies/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A policy, and all below it",
        tags: ["config"],
        params: idParameter("a policy"),
        response: { 200: policySchema, default: errorBody },
      },
    },
    ({ params: { id } }) => policyOf(itemOf("policy", named(), ([name]) => name, id)),
  );
}

function policyOf([name, policy]: readonly [string, Policy]): Static<typeof policySchema> {
  return {
    policy: name,
    url: itemUrl("policies", name),
    kind: policy.kind,
    nodes: [...nodesOf({ when: null, weight: null, policy }, 0)],
  };
}

/** A policy where it stands. */
interface Placed {
  readonly when: string | null;
  readonly weight: number | null;
  readonly policy: Policy;
}

/** A policy with a name that another one uses is looked up under its own. */
function* nodesOf(
  { when, weight, policy }: Placed,
  depth: number,
): Generator<Static<typeof policySchema>["nodes"][number]> {
  const name = nameOf(policy);
  yield { depth, when, kind: policy.kind, name, weight };
  if (depth > 0 && name !== null) return;
  for (const child of placedIn(policy)) yield* nodesOf(child, depth + 1);
}

function nameOf(policy: Policy): string | null {
  if (policy.kind === "pool") return policy.pool;
  return policy.kind === "member" ? policy.member : policy.name;
}

function placedIn(policy: Policy): readonly Placed[] {
  switch (policy.kind) {
    case "pool":
    case "member":
      return [];
    case "geo": {
      const cases = policy.cases.map(({ match, use }) => placed(matchText(match), use));
      return policy.default === null ? cases : [...cases, placed("default", policy.default)];
    }
    case "nearest":
    case "latency":
    case "sticky":
    case "spread":
      return [placed(null, policy.of)];
    case "weighted":
      return policy.choices.map(({ key, weight, use }) => ({ when: key, weight, policy: use }));
    case "failover":
      return policy.order.map((use, i) => placed(`choice ${i + 1}`, use));
  }
}

function placed(when: string | null, policy: Policy): Placed {
  return { when, weight: null, policy };
}
