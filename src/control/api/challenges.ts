/** ACME challenges: TXT RRs that come and go without an edit of any zone. */

import Type, { type Static } from "typebox";
import type { Name } from "../../wire/name.ts";
import { type Challenge, challengeOwner, ownerOf } from "../challenge.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { dryRunQuery, orTried } from "./dry-run.ts";
import { badRequest, Failure } from "./errors.ts";
import { next, pageOf, pageQuery } from "./page.ts";
import { answerChanged, answerUnmade, proposed } from "./proposals.ts";
import { aMoment, errorBody, formatMoment, moment, momentOf, object, version } from "./schemas.ts";
import { changeHeaders, etagOf, freeQuery, reasonText, submit, submitByQuery } from "./submit.ts";

const params = object({
  name: Type.String({ description: "the name that a certificate is for, or its _acme-challenge name" }),
  value: Type.String({ description: "what the certificate authority is to find, percent-encoded" }),
});

const body = object({
  until: Type.Optional(Type.String({ maxLength: 40, description: aMoment })),
  reason: Type.Optional(reasonText),
});

const listed = object({
  owner: Type.String({ description: "the owner name of the TXT RR" }),
  value: Type.String(),
  author: Type.String({ description: "the name of a token, or key and the name of a TSIG key" }),
  createdAt: moment,
  until: moment,
});

const list = object(
  { version, challenges: Type.Array(listed), next },
  { description: "What is answered now, by owner name." },
);
const made = object({ version, challenge: listed }, { description: "The challenge, in the answers." });
const ended = object({ version }, { description: "The challenge is gone." });

export function challengeRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/challenges",
    {
      config: { access: "reader" },
      schema: {
        summary: "All ACME challenges",
        tags: ["challenges"],
        querystring: pageQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    ({ query }) => {
      const { version } = desk.status();
      const { entries, next } = pageOf(desk.challenges(), nameOf, query);
      return { version, challenges: entries.map(viewOf), next };
    },
  );

  app.put(
    "/v1/challenges/:name/:value",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Answer a value at an _acme-challenge name; one that is there gets another end",
        tags: ["challenges"],
        headers: changeHeaders,
        params,
        querystring: dryRunQuery,
        body,
        response: { 200: orTried(made), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const { value } = request.params;
      const owner = ownerIn(request.params.name);
      const { until, reason } = request.body;
      const keepMs = desk.snapshot().config.acme.keepMs;
      const untilMs = until === undefined ? desk.nowMs() + keepMs : momentOf("until", until, desk.nowMs());
      const edit = { kind: "set-challenge", owner, value, untilMs } as const;
      const outcome = await submit(desk, request, edit, reason ?? "ACME");
      if (outcome.kind !== "published") return answerUnmade(desk, reply, outcome);
      const { version } = outcome;
      const challenge = desk
        .challenges()
        .find((other) => other.owner === ownerOf(owner) && other.value === value);
      if (challenge === undefined) throw new Failure("over", "the challenge has ended already");
      reply.header("etag", etagOf(version));
      return { version, challenge: viewOf(challenge) };
    },
  );

  app.delete(
    "/v1/challenges/:name/:value",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Take a value from an _acme-challenge name",
        tags: ["challenges"],
        headers: changeHeaders,
        params,
        querystring: freeQuery,
        response: { 200: orTried(ended), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const edit = {
        kind: "end-challenge",
        owner: ownerIn(request.params.name),
        value: request.params.value,
      } as const;
      const outcome = await submitByQuery(desk, request, edit, "ended by hand");
      return answerChanged(desk, reply, outcome);
    },
  );
}

function ownerIn(text: string): Name {
  const owner = challengeOwner(text);
  if (owner === null) throw badRequest([`name: expected a domain name, got ${JSON.stringify(text)}`]);
  return owner;
}

/** An owner may have several values. */
function nameOf({ owner, value }: Challenge): string {
  return `${owner} ${value}`;
}

function viewOf({ owner, value, author, createdMs, untilMs }: Challenge): Static<typeof listed> {
  return { owner, value, author, createdAt: formatMoment(createdMs), until: formatMoment(untilMs) };
}
