/** Why clients at an address get the answers they get, and what they would get if. */

import Type, { type Static } from "typebox";
import { PREFIX_BITS } from "../../book/pick.ts";
import type { Config, Service, VipId } from "../../config/config.ts";
import { type Explanation, formatExplanation, formatLocation } from "../../steering/explain.ts";
import {
  formatCounterfactual,
  formatMargin,
  formatSupposition,
  formatTtl,
} from "../../steering/format-trace.ts";
import type { Supposition } from "../../steering/suppose.ts";
import { marginsOf } from "../../steering/trace.ts";
import { shorter, type Ttl } from "../../steering/ttl.ts";
import { formatPercent } from "../../steering/words.ts";
import { type IpAddress, type Prefix, parseAddress, parsePrefix } from "../../wire/address.ts";
import { type Name, parseName, rootName } from "../../wire/name.ts";
import type { Desk, ExplainOutcome } from "../desk.ts";
import { describeAction, type Override } from "../override.ts";
import type { Past } from "../past.ts";
import { aWhatIf, parseWhatIf } from "../what-if.ts";
import type { Api } from "./api.ts";
import { appliedOverrides } from "./applied.ts";
import { badRequest, Failure } from "./errors.ts";
import { aPastMomentOrNow, pastOr404 } from "./past.ts";
import {
  type PlanView,
  planSchema,
  planView,
  type ShareView,
  shareSchema,
  ttlWhySchema,
  ttlWhyView,
} from "./plan-view.ts";
import { errorBody, familyName, formatMoment, moment, nullable, object, oneOf } from "./schemas.ts";

const nameText = Type.String({
  minLength: 1,
  maxLength: 1_100,
  description: "a name such as www.example.com",
});
const typeText = oneOf(["A", "AAAA", "HTTPS"], "A, AAAA or HTTPS");
const aClient = "an address such as 192.0.2.1, or a subnet as resolvers send it (ECS) such as 2001:db8::/56";
const aResolver = "an address such as 192.0.2.53 or 2001:db8::53";

const body = object(
  {
    name: nameText,
    type: typeText,
    client: Type.Optional(Type.String({ maxLength: 64, description: aClient })),
    resolver: Type.Optional(Type.String({ maxLength: 64, description: aResolver })),
    time: Type.Optional(Type.String({ maxLength: 64, description: aPastMomentOrNow })),
    if: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 1_300, description: aWhatIf }), {
        maxItems: 64,
        description: "facts to suppose, the later over the earlier",
      }),
    ),
  },
  {
    examples: [
      { name: "www.example.com", type: "A", client: "192.0.2.1" },
      { name: "www.example.com", type: "AAAA", client: "2001:db8::/56", resolver: "192.0.2.53" },
      {
        name: "www.example.com",
        type: "A",
        client: "192.0.2.1",
        if: ["down:eu-west", "weight:canary/new=80"],
      },
      { name: "www.example.com", type: "A", client: "192.0.2.1", time: "-10m" },
    ],
  },
);

const explanationSchema = object(
  {
    name: Type.String(),
    type: typeText,
    client: nullable(Type.String({ description: "as it was asked; null: the resolver sends nothing of it" })),
    resolver: nullable(Type.String()),
    steeredBy: oneOf(["client", "resolver"], "whose address the answer goes by"),
    supposed: Type.Array(Type.String(), { description: "what was supposed, as it was asked" }),
    service: Type.String({ description: "the service that answers for the name" }),
    location: object({
      text: Type.String({ description: "what is known of the client, the most specific last" }),
      continent: nullable(Type.String()),
      country: nullable(Type.String()),
      subdivision: nullable(Type.String()),
      asn: nullable(Type.Integer()),
      labels: Type.Array(Type.String()),
    }),
    class: Type.String({ description: "equal for all clients that the policy cannot tell apart" }),
    scopePrefixLength: Type.Integer({ minimum: 0, maximum: 128, description: "the ECS scope (RFC 7871)" }),
    ttlSeconds: Type.Number({ description: "of the answer in this second" }),
    ttlWhy: ttlWhySchema,
    family: oneOf(["ipv4", "ipv6"], "the family that plan and trace speak of"),
    plan: planSchema,
    pick: object(
      {
        at: moment,
        share: nullable(shareSchema),
        beside: Type.Array(shareSchema, {
          description: "what a spread gives with it, in the order of the answer",
        }),
      },
      { description: "the VIP that a query gets first in this second; null: none" },
    ),
    sticky: nullable(
      object(
        {
          bucket: Type.Integer({ description: "which bucket the client's /24 or /56 is in, from 0" }),
          buckets: Type.Integer({ description: "of how many" }),
          share: nullable(shareSchema),
        },
        { description: "the VIP that has the client at any time; null: nothing of the plan is sticky" },
      ),
    ),
    counterfactual: object(
      {
        changes: Type.Array(Type.String(), {
          description: "one or two facts; none: nothing so small was found",
        }),
        plan: nullable(planSchema),
      },
      { description: "the smallest change of facts that would give other VIPs" },
    ),
    margins: Type.Array(
      object({
        path: Type.String({ description: "the node of the policy" }),
        first: Type.String({ description: "the region that is first by round-trip time" }),
        second: Type.String(),
        marginMs: Type.Number({ description: "below 0: it was first before, and keeps its place" }),
      }),
      { description: "by how much regions are ahead where round-trip times decide" },
    ),
    overrides: Type.Array(Type.String(), { description: "ids of the overrides that had a part in it" }),
    notes: Type.Array(Type.String(), { description: "what of a past time could not be rebuilt" }),
    lines: Type.Array(Type.String(), { description: "all of it for people" }),
    trace: Type.Unsafe<Explanation["trace"]>({
      type: "object",
      description: "every node of the policy as it came out, with the facts that were looked at",
    }),
  },
  { description: "Why the client gets the answer that it gets, or would get." },
);

export function explainRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/explain",
    {
      config: { access: "reader" },
      schema: {
        summary: "Why a client gets the answer that it gets, and what it would get if facts were others",
        tags: ["services"],
        body,
        response: { 200: explanationSchema, default: errorBody },
      },
    },
    async ({ body }) => {
      const world = await worldOf(desk, body.time);
      return explain(world, questionOf(body, world.config));
    },
  );
}

/** What is explained: a node as it is, or as it was. */
interface World extends Omit<Past, "kind" | "facts" | "verdicts" | "version"> {
  /** null: the one in force. */
  readonly version: number | null;
}

async function worldOf(desk: Desk, time: string | undefined): Promise<World> {
  if (time !== undefined) return await pastOr404(desk, "time", time);
  return {
    atMs: desk.nowMs(),
    version: null,
    config: desk.snapshot().config,
    overrides: desk.overrides(),
    explain: (question) => desk.explain(question),
    notes: () => [],
  };
}

interface Question {
  readonly name: string;
  readonly qname: Name;
  readonly type: Static<typeof typeText>;
  readonly client: Prefix | null;
  readonly resolver: IpAddress | null;
  readonly steeredBy: "client" | "resolver";
  /** What the answer goes by. */
  readonly address: IpAddress;
  /** As it was asked, and the facts that it stands for. */
  readonly whatIf: readonly string[];
  readonly supposed: readonly Supposition[];
}

function questionOf(asked: Static<typeof body>, config: Config): Question {
  const { name, type } = asked;
  const qname = parseName(name, rootName);
  const client = asked.client === undefined ? null : parsePrefix(asked.client);
  const resolver = asked.resolver === undefined ? null : parseAddress(asked.resolver);
  const { value: supposed, problems } = parseWhatIf(asked.if ?? [], config);
  // A subnet of length 0 keeps the client to itself (RFC 7871 §7.1.2).
  const steeredBy = client === null || client.length === 0 ? "resolver" : "client";
  const address = steeredBy === "client" ? client?.address : resolver;
  const wrong = [
    ...(qname.kind === "problem" ? [`name: ${qname.message}`] : []),
    ...(asked.client !== undefined && client === null
      ? [`client: expected ${aClient}, got "${asked.client}"`]
      : []),
    ...(asked.resolver !== undefined && resolver === null
      ? [`resolver: expected ${aResolver}, got "${asked.resolver}"`]
      : []),
    ...problems,
  ];
  if (wrong.length > 0 || qname.kind === "problem") throw badRequest(wrong);
  if (address === null || address === undefined) {
    throw badRequest([`client: expected ${aClient}; or resolver, where it sends nothing of its clients`]);
  }
  const whatIf = asked.if ?? [];
  return { name, qname: qname.name, type, client, resolver, steeredBy, address, whatIf, supposed };
}

/**
 * A and AAAA are explained by the plan of their family. One draw decides for all types, so an HTTPS RR follows the plan
 * of its `ipv4hint`, or where there is no IPv4 address of its `ipv6hint`.
 */
function explain(world: World, question: Question): Static<typeof explanationSchema> {
  const { name, qname, type, address, supposed } = question;
  const explainIn = (family: 4 | 6): Explained =>
    explainedOr404(world.explain({ qname, client: address, family, supposed }));
  let family: 4 | 6 = type === "AAAA" ? 6 : 4;
  let explained = explainIn(family);
  if (type === "HTTPS" && explained.explanation.plan.kind === "nodata") {
    family = 6;
    explained = explainIn(6);
  }
  // An HTTPS RR has hints of both families, and lasts as long as the one that may change first.
  const ttl =
    type === "HTTPS"
      ? shorter(explained.explanation.ttl, explainIn(6).explanation.ttl)
      : explained.explanation.ttl;
  const { service, scopePrefixLength, explanation, picked, beside, sticky, atMs, counterfactual } = explained;
  const { config } = world;
  const notes = [...world.notes()];
  const { continent, country, subdivision, asn, labels } = explanation.location;
  const hasAnswer = type !== "HTTPS" || service.https !== null;
  const plan: PlanView = hasAnswer
    ? planView(explanation.plan, config)
    : { kind: "nodata", lastResort: false, shares: [] };
  const shareOf = (one: VipId | null): ShareView | null => plan.shares.find(({ vip }) => vip === one) ?? null;
  const pick = {
    at: formatMoment(atMs),
    share: shareOf(picked),
    beside: beside.flatMap((one) => shareOf(one) ?? []),
  };
  const applied = appliedOverrides(explanation.trace, world.overrides, config, world.atMs);
  return {
    name,
    type,
    client: textOf(question.client),
    resolver: question.resolver?.text ?? null,
    steeredBy: question.steeredBy,
    supposed: [...question.whatIf],
    service: service.label,
    location: {
      text: formatLocation(explanation.location),
      continent,
      country,
      subdivision,
      asn,
      labels: [...labels],
    },
    class: explanation.classKey,
    scopePrefixLength,
    ttlSeconds: ttl.seconds,
    ttlWhy: ttlWhyView(ttl),
    family: familyName(family),
    plan,
    pick,
    sticky: sticky && { bucket: sticky.bucket, buckets: sticky.buckets, share: shareOf(sticky.vip) },
    counterfactual:
      counterfactual.kind === "none"
        ? { changes: [], plan: null }
        : {
            changes: counterfactual.changes.map(formatSupposition),
            plan: planView(counterfactual.plan, config),
          },
    margins: marginsOf(explanation.trace).map(({ path, first, second, marginMs }) => {
      return { path, first: first.region, second: second.region, marginMs };
    }),
    overrides: applied.map(({ id }) => id),
    notes,
    lines: [
      ...(world.version === null ? [] : [`at ${formatMoment(atMs)}, by version ${world.version}`]),
      ...linesFor(question, explained, plan, pick, ttl, applied),
      ...notes.map((note) => `not as it was: ${note}`),
    ],
    trace: explanation.trace,
  };
}

type Pick = Static<typeof explanationSchema>["pick"];
type Explained = Extract<ExplainOutcome, { kind: "explained" }>;

function explainedOr404(outcome: ExplainOutcome): Explained {
  if (outcome.kind === "explained") return outcome;
  throw new Failure(404, outcome.message);
}

function linesFor(
  question: Question,
  { service, scopePrefixLength, explanation, sticky, counterfactual }: Explained,
  plan: PlanView,
  pick: Pick,
  ttl: Ttl,
  applied: readonly Override[],
): readonly string[] {
  const { name, type, whatIf } = question;
  const as = sameLabel(name, service) ? "" : `, steered as ${service.label}`;
  return [
    `${name} ${type} for ${whoAsks(question)}${as}`,
    ...(whatIf.length === 0 ? [] : [`if ${whatIf.join(" and ")}:`]),
    ...formatExplanation(explanation),
    ...answerLines(type, service, plan),
    ...(sticky === null ? [] : [bucketLine(question.address, sticky, plan)]),
    ...(pick.share === null || plan.shares.length < 2 ? [] : [pickLine(pick.share, pick)]),
    `ECS scope /${scopePrefixLength}, ${formatTtl(ttl)}`,
    ...marginsOf(explanation.trace).map(formatMargin),
    formatCounterfactual(counterfactual),
    ...applied.map(describeOverride),
  ];
}

function pickLine({ address }: ShareView, { beside, at }: Pick): string {
  const others = beside.map((one) => one.address).join(", ");
  return `${address}${others === "" ? "" : `, then ${others}`} at ${at}`;
}

function bucketLine(
  { family }: IpAddress,
  { bucket, buckets, vip }: NonNullable<Explained["sticky"]>,
  { shares }: PlanView,
): string {
  const bits = family === 4 ? PREFIX_BITS.ipv4 : PREFIX_BITS.ipv6;
  const address = shares.find((share) => share.vip === vip)?.address;
  return `sticky: the client's /${bits} is in bucket ${bucket} of ${buckets}, which is with ${address ?? "nobody"}`;
}

function whoAsks({ client, resolver, steeredBy }: Question): string {
  if (steeredBy === "resolver") return `clients of ${resolver?.text ?? ""}, which sends nothing of them`;
  return `${textOf(client)}${resolver === null ? "" : ` through ${resolver.text}`}`;
}

/** A whole address without its length. */
function textOf(prefix: Prefix | null): string | null {
  if (prefix === null) return null;
  return prefix.length === prefix.address.bytes.length * 8 ? prefix.address.text : prefix.text;
}

/** The plan's line is there already; these say what stands behind its VIPs. */
function answerLines(type: Question["type"], service: Service, plan: PlanView): readonly string[] {
  if (type === "HTTPS" && service.https === null) return ["HTTPS: NODATA, because the service has no https"];
  const shares = plan.shares.map(({ probability, address, member, region }) => {
    return `  ${formatPercent(probability).padStart(7)}  ${address}  ${member} in ${region}`;
  });
  return type === "HTTPS" ? [...shares, "HTTPS: the same picks, as its hints"] : shares;
}

function describeOverride({ action, author, reason, untilMs }: Override): string {
  const end = untilMs === null ? "" : ` until ${formatMoment(untilMs)}`;
  return `override: ${describeAction(action)}${end}, by ${author}: ${reason}`;
}

function sameLabel(name: string, { label }: Service): boolean {
  return name.toLowerCase().replace(/\.$/, "") === label.toLowerCase();
}
