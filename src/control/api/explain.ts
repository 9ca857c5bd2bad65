/** Why clients at an address get the answers they get. */

import Type, { type Static } from "typebox";
import type { Service } from "../../config/config.ts";
import { type Explanation, formatExplanation, formatLocation } from "../../steering/explain.ts";
import { formatPercent } from "../../steering/words.ts";
import { type IpAddress, parseAddress } from "../../wire/address.ts";
import { type Name, parseName, rootName } from "../../wire/name.ts";
import type { Desk, ExplainOutcome } from "../desk.ts";
import { describeAction, type Override } from "../override.ts";
import type { Api } from "./api.ts";
import { appliedOverrides } from "./applied.ts";
import { badRequest, Failure } from "./errors.ts";
import { type PlanView, planSchema, planView } from "./plan-view.ts";
import { errorBody, formatMoment, nullable, object, oneOf } from "./schemas.ts";

const nameText = Type.String({
  minLength: 1,
  maxLength: 1_100,
  description: "a name such as www.example.com",
});
const typeText = oneOf(["A", "AAAA", "HTTPS"], "A, AAAA or HTTPS");
const anAddress = "an address such as 192.0.2.1 or 2001:db8::1";
const clientText = Type.String({ maxLength: 64, description: anAddress });

const body = object({ name: nameText, type: typeText, client: clientText });

const explanationSchema = object(
  {
    name: Type.String(),
    type: typeText,
    client: Type.String(),
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
    ttlSeconds: Type.Number(),
    family: oneOf(["ipv4", "ipv6"], "the family that plan and trace speak of"),
    plan: planSchema,
    overrides: Type.Array(Type.String(), { description: "ids of the overrides that had a part in it" }),
    lines: Type.Array(Type.String(), { description: "all of it for people" }),
    trace: Type.Unsafe<Explanation["trace"]>({
      type: "object",
      description: "every node of the policy as it came out, with the facts that were looked at",
    }),
  },
  { description: "Why the client gets the answer that it gets." },
);

export function explainRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/explain",
    {
      config: { access: "reader" },
      schema: {
        summary: "Why a client gets the answer that it gets",
        tags: ["services"],
        body,
        response: { 200: explanationSchema, default: errorBody },
      },
    },
    ({ body: { name, type, client } }) => {
      const qname = parseName(name, rootName);
      const address = parseAddress(client);
      if (qname.kind === "problem") throw badRequest([`name: ${qname.message}`]);
      if (address === null) throw badRequest([`client: expected ${anAddress}, got "${client}"`]);
      return explain(desk, { name, qname: qname.name, type, address });
    },
  );
}

interface Question {
  readonly name: string;
  readonly qname: Name;
  readonly type: Static<typeof typeText>;
  readonly address: IpAddress;
}

/**
 * A and AAAA are explained by the plan of their family. One draw decides for all types, so an HTTPS RR follows the plan
 * of its `ipv4hint`, or where there is no IPv4 address of its `ipv6hint`.
 */
function explain(desk: Desk, question: Question): Static<typeof explanationSchema> {
  const { name, qname, type, address } = question;
  const first = type === "AAAA" ? 6 : 4;
  let family: 4 | 6 = first;
  let explained = explainedOr404(desk.explain(qname, address, first));
  if (type === "HTTPS" && explained.explanation.plan.kind === "nodata") {
    family = 6;
    explained = explainedOr404(desk.explain(qname, address, 6));
  }
  const { service, scopePrefixLength, explanation } = explained;
  const { config } = desk.snapshot();
  const { continent, country, subdivision, asn, labels } = explanation.location;
  const hasAnswer = type !== "HTTPS" || service.https !== null;
  const plan: PlanView = hasAnswer
    ? planView(explanation.plan, config)
    : { kind: "nodata", lastResort: false, shares: [] };
  const applied = appliedOverrides(explanation.trace, desk.overrides(), config, desk.nowMs());
  return {
    name,
    type,
    client: address.text,
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
    ttlSeconds: service.ttlSeconds,
    family: family === 4 ? "ipv4" : "ipv6",
    plan,
    overrides: applied.map(({ id }) => id),
    lines: [...linesFor(question, explained, plan, applied)],
    trace: explanation.trace,
  };
}

type Explained = Extract<ExplainOutcome, { kind: "explained" }>;

function explainedOr404(outcome: ExplainOutcome): Explained {
  if (outcome.kind === "explained") return outcome;
  throw new Failure(404, outcome.message);
}

function linesFor(
  { name, type, address }: Question,
  { service, scopePrefixLength, explanation }: Explained,
  plan: PlanView,
  applied: readonly Override[],
): readonly string[] {
  const as = sameLabel(name, service) ? "" : `, steered as ${service.label}`;
  return [
    `${name} ${type} for ${address.text}${as}`,
    ...formatExplanation(explanation),
    ...answerLines(type, service, plan),
    `ECS scope /${scopePrefixLength}, TTL ${service.ttlSeconds} s`,
    ...applied.map(describeOverride),
  ];
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
