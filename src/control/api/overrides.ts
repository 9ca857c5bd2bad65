/** Overrides: an operator's word that wins over facts and config. */

import Type, { type Static } from "typebox";
import { formatDuration, parseDuration } from "../../config/units.ts";
import type { Desk, ListedOverride } from "../desk.ts";
import {
  type Action,
  drainedAtMs,
  isActive,
  overrideId,
  type Target,
  type VipTarget,
  vipsUnder,
} from "../override.ts";
import type { Api } from "./api.ts";
import { dryRunQuery, orTried, tried } from "./dry-run.ts";
import { badRequest, Failure } from "./errors.ts";
import { itemOf, itemUrl, next, type PageQuery, pageOf, pageQuery } from "./page.ts";
import { answerChanged, answerUnmade, proposed } from "./proposals.ts";
import {
  aMoment,
  errorBody,
  formatMoment,
  formatOptionalMoment,
  idParameter,
  moment,
  momentOf,
  nullable,
  object,
  oneOf,
  url,
  version,
} from "./schemas.ts";
import { stageSchema, stageView } from "./stages.ts";
import { changeHeaders, etagOf, reasonText, ruledQuery, submit, submitByQuery } from "./submit.ts";

/** Whoever drains for longer drains from time to time. */
const RAMP_MS_MAX = 24 * 3_600_000;

const untilText = Type.String({ maxLength: 40, description: aMoment });
const aRamp = `a duration such as 5m, at most ${formatDuration(RAMP_MS_MAX)}`;
const rampText = Type.String({ maxLength: 40, description: aRamp });
const weight = Type.Number({ description: "a weight, 0 or more" });
const state = oneOf(["up", "down"], "up or down");

const name = (example: string) => Type.String({ maxLength: 600, description: `a name such as ${example}` });
const member = object({ member: name("web/us-east") });
const region = object({ region: name("eu-west") });
const choice = object({ choice: name("canary/new") });
const vip = object({ vip: name("web/us-east/ipv4") });

const weightTarget = Type.Union([member, region, choice], {
  description: "an object with one of member, region, choice",
});
const drainTarget = Type.Union([member, region], { description: "an object with one of member, region" });
const vipTarget = Type.Union([member, region, vip], {
  description: "an object with one of member, region, vip",
});

const force = Type.Boolean({
  description: "true: also if that breaks rules; the audit says which",
});
const common = {
  reason: reasonText,
  until: Type.Optional(untilText),
  force: Type.Optional(force),
};
const body = Type.Union([
  object({ kind: Type.Literal("weight"), target: weightTarget, weight, ...common }),
  object({ kind: Type.Literal("drain"), target: drainTarget, ramp: Type.Optional(rampText), ...common }),
  object({ kind: Type.Literal("force"), target: vipTarget, verdict: state, ...common }),
  object({ kind: Type.Literal("freeze"), target: vipTarget, ...common }),
]);

const kind = oneOf(["weight", "drain", "force", "freeze"], "weight, drain, force or freeze");

const listed = object(
  {
    id: Type.String({ description: "the same for every override of this kind and target" }),
    url,
    kind,
    target: object({
      by: oneOf(["member", "region", "choice", "vip"], "member, region, choice or vip"),
      name: Type.String(),
    }),
    weight: Type.Optional(weight),
    verdict: Type.Optional(state),
    drainedAt: Type.Optional(moment),
    stage: Type.Optional(stageSchema),
    verdicts: Type.Optional(
      Type.Record(Type.String(), state, { description: "how each VIP was when it was frozen, and stays" }),
    ),
    author: Type.String({ description: "the name of the token that it was made with" }),
    reason: Type.String(),
    createdAt: moment,
    until: nullable(moment),
    active: Type.Boolean({ description: "false: its end has come" }),
    stale: Type.Boolean({ description: "true: its target is not in the config, so it does nothing" }),
  },
  { description: "An override." },
);

const list = object(
  { version, overrides: Type.Array(listed), next },
  { description: "Overrides that nobody has ended, by id." },
);

interface OverrideQuery extends PageQuery {
  readonly kind?: Action["kind"];
  readonly target?: string;
  readonly author?: string;
}

const listQuery = pageQuery<OverrideQuery>({
  kind: Type.Optional(kind),
  target: Type.Optional(name("eu-west, exactly as it is in the override")),
  author: Type.Optional(Type.String({ description: "the name of a token; only overrides by it are given" })),
});
const made = object({ version, override: listed }, { description: "The override, in force." });
const ended = object({ version }, { description: "The override is ended." });
const released = object({ version }, { description: "What was held down is up." });

export function overrideRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/overrides",
    {
      config: { access: "reader" },
      schema: {
        summary: "The overrides that nobody has ended",
        tags: ["overrides"],
        querystring: listQuery,
        response: { 200: list, default: errorBody },
      },
    },
    ({ query }) => {
      const { version } = desk.status();
      const wanted = desk.overrides().filter((override) => isWanted(override, query));
      const { entries, next } = pageOf(wanted, ({ id }) => id, query);
      return { version, overrides: entries.map((override) => viewOf(override, desk.nowMs())), next };
    },
  );

  app.get(
    "/v1/overrides/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "An override",
        tags: ["overrides"],
        params: idParameter("the id of an override"),
        response: { 200: listed, default: errorBody },
      },
    },
    ({ params }) =>
      viewOf(
        itemOf("override", desk.overrides(), ({ id }) => id, params.id),
        desk.nowMs(),
      ),
  );

  app.post(
    "/v1/overrides",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Set a weight, drain, or force a verdict; replaces the override of the same kind and target",
        tags: ["overrides"],
        headers: changeHeaders,
        querystring: dryRunQuery,
        body,
        response: { 200: tried, 201: made, 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const action = actionOf(request.body, desk);
      const { until } = request.body;
      const untilMs = until === undefined ? null : momentOf("until", until, desk.nowMs());
      const edit = { kind: "set-override", action, untilMs } as const;
      const outcome = await submit(desk, request, edit, request.body.reason, request.body.force);
      if (outcome.kind !== "published") return answerUnmade(desk, reply, outcome);
      const { version } = outcome;
      const override = desk.overrides().find(({ id }) => id === overrideId(action));
      if (override === undefined)
        throw new Failure("over", "the override is in force no more: it has ended already");
      const view = viewOf(override, desk.nowMs());
      reply.code(201).headers({ etag: etagOf(version), location: view.url });
      return { version, override: view };
    },
  );

  app.delete(
    "/v1/overrides/:id",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "End an override",
        tags: ["overrides"],
        headers: changeHeaders,
        params: idParameter("the id of an override"),
        querystring: ruledQuery,
        response: { 200: orTried(ended), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const edit = { kind: "end-override", id: request.params.id } as const;
      const outcome = await submitByQuery(desk, request, edit, "ended by hand");
      return answerChanged(desk, reply, outcome);
    },
  );

  app.post(
    "/v1/releases",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Bring up VIPs that are healthy and held down",
        tags: ["overrides"],
        headers: changeHeaders,
        querystring: dryRunQuery,
        body: object({ target: vipTarget, reason: reasonText, force: Type.Optional(force) }),
        response: { 200: orTried(released), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const { target, reason, force } = request.body;
      const edit = { kind: "release", target: vipTargetOf(target) } as const;
      const outcome = await submit(desk, request, edit, reason, force);
      return answerChanged(desk, reply, outcome);
    },
  );
}

function actionOf(asked: Static<typeof body>, desk: Desk): Action {
  const { kind, target } = asked;
  switch (kind) {
    case "weight":
      return {
        kind,
        target: "choice" in target ? { by: "choice", id: target.choice } : memberOrRegion(target),
        weight: asked.weight,
      };
    case "drain":
      return { kind, target: memberOrRegion(target), ...rampOf(asked.ramp) };
    case "force":
      return {
        kind,
        target: vipTargetOf(target),
        verdict: asked.verdict,
      };
    case "freeze":
      return { kind, target: vipTargetOf(target), verdicts: verdictsUnder(vipTargetOf(target), desk) };
  }
}

function rampOf(text: string | undefined): { readonly rampMs?: number } {
  if (text === undefined) return {};
  const rampMs = parseDuration(text);
  if (rampMs !== null && rampMs <= RAMP_MS_MAX) return rampMs === 0 ? {} : { rampMs };
  throw badRequest([`ramp: expected ${aRamp}, got ${JSON.stringify(text)}`]);
}

/** As they are now, whatever decides them. */
function verdictsUnder(target: VipTarget, desk: Desk): Readonly<Record<string, "up" | "down">> {
  const { verdicts } = desk.facts();
  const vips = vipsUnder(desk.snapshot().config, target);
  return Object.fromEntries(vips.map((vip) => [vip, verdicts.get(vip)?.up === false ? "down" : "up"]));
}

function vipTargetOf(target: Static<typeof vipTarget>): VipTarget {
  return "vip" in target ? { by: "vip", id: target.vip } : memberOrRegion(target);
}

function memberOrRegion(target: Static<typeof drainTarget>): Target<"member" | "region"> {
  return "member" in target ? { by: "member", id: target.member } : { by: "region", id: target.region };
}

function isWanted({ action, author }: ListedOverride, query: OverrideQuery): boolean {
  return (
    (query.kind ?? action.kind) === action.kind &&
    (query.target ?? action.target.id) === action.target.id &&
    (query.author ?? author) === author
  );
}

function viewOf(override: ListedOverride, nowMs: number): Static<typeof listed> {
  const { id, action, author, reason, createdMs, untilMs, stage, stale } = override;
  return {
    id,
    url: itemUrl("overrides", id),
    kind: action.kind,
    target: { by: action.target.by, name: action.target.id },
    ...(action.kind === "weight" ? { weight: action.weight } : {}),
    ...(action.kind === "force" ? { verdict: action.verdict } : {}),
    ...(action.kind === "drain" && action.rampMs !== undefined
      ? { drainedAt: formatMoment(drainedAtMs(override)) }
      : {}),
    ...(action.kind === "freeze" ? { verdicts: action.verdicts } : {}),
    ...(stage === undefined ? {} : { stage: stageView(stage) }),
    author,
    reason,
    createdAt: formatMoment(createdMs),
    until: formatOptionalMoment(untilMs),
    active: isActive(override, nowMs),
    stale,
  };
}
