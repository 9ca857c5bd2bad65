/** Changes that wait for a second person. */

import type { FastifyReply } from "fastify";
import Type from "typebox";
import type { Desk } from "../desk.ts";
import { describeEdit, FILES, type Proposal } from "../proposal.ts";
import type { Api } from "./api.ts";
import { tokenOf } from "./auth.ts";
import { answerTried, dryRunQuery, orTried, type TriedBody } from "./dry-run.ts";
import { Failure } from "./errors.ts";
import { itemOf, itemUrl, next, pageOf, pageQuery } from "./page.ts";
import { errorBody, formatMoment, idParameter, moment, object, version } from "./schemas.ts";
import {
  changeHeaders,
  etagOf,
  freeQuery,
  reasonText,
  type Submitted,
  submit,
  submitByQuery,
} from "./submit.ts";

/** A proposal as it is shown. */
interface ProposalView {
  readonly id: string;
  readonly url: string;
  readonly change: string;
  readonly author: string;
  readonly reason: string;
  readonly version: number;
  readonly effects: readonly string[];
  readonly createdAt: string;
  readonly until: string;
}

const view = Type.Unsafe<ProposalView>(
  object({
    id: Type.String({ description: "the same for every proposal of this change" }),
    url: Type.String({ description: "where it can be approved or withdrawn" }),
    change: Type.String({ description: "what would be done" }),
    author: Type.String({ description: "the name of the token that it was proposed with" }),
    reason: Type.String(),
    version: Type.Integer({ description: "the version that its effects were worked out at" }),
    effects: Type.Array(Type.String(), { description: "what it would do, for people" }),
    createdAt: moment,
    until: moment,
  }),
);

const list = object(
  { version, proposals: Type.Array(view), next },
  { description: "What waits for a second person, the oldest first." },
);

/** A change that waits for a second person. */
interface ProposedBody {
  readonly version: number;
  readonly proposal: ProposalView;
}

/** The response of a route whose change waits for a second person. */
export const proposed: Type.TUnsafe<ProposedBody> = Type.Unsafe<ProposedBody>(
  object(
    { version, proposal: view },
    { description: "The change waits for a second person; nothing is changed yet." },
  ),
);

const approved = object({ version }, { description: "The change is in force." });
const withdrawn = object({ version }, { description: "Nobody can approve it any more." });

const params = idParameter("the id of a proposal");

export function proposalRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/proposals",
    {
      config: { access: "reader" },
      schema: {
        summary: "Changes that wait for a second person",
        tags: ["proposals"],
        querystring: pageQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    ({ query }) => {
      const { version } = desk.status();
      const { entries, next } = pageOf(desk.proposals(), ({ id }) => id, query);
      return { version, proposals: entries.map(viewOf), next };
    },
  );

  app.post(
    "/v1/proposals/:id/approval",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Approve a change that somebody else has proposed",
        tags: ["proposals"],
        headers: changeHeaders,
        params,
        querystring: dryRunQuery,
        body: object({ reason: reasonText }),
        response: { 200: orTried(approved), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const { id } = itemOf("proposal", desk.proposals(), (one) => one.id, request.params.id);
      if (id === FILES && tokenOf(request).grant.role !== "admin")
        throw new Failure(403, "files are approved by the role admin alone");
      const outcome = await submit(desk, request, { kind: "approve", id }, request.body.reason);
      return answerChanged(desk, reply, outcome);
    },
  );

  app.delete(
    "/v1/proposals/:id",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Withdraw a change that waits for a second person",
        tags: ["proposals"],
        headers: changeHeaders,
        params,
        querystring: freeQuery,
        response: { 200: orTried(withdrawn), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const edit = { kind: "withdraw", id: request.params.id } as const;
      const outcome = await submitByQuery(desk, request, edit, "withdrawn");
      return answerChanged(desk, reply, outcome);
    },
  );
}

/** Answers the version that a change made, that it waits, or what it would do. */
export function answerChanged(
  desk: Desk,
  reply: FastifyReply,
  outcome: Submitted,
): ProposedBody | TriedBody | { version: number } {
  if (outcome.kind !== "published") return answerUnmade(desk, reply, outcome);
  const { version } = outcome;
  reply.header("etag", etagOf(version));
  return { version };
}

/** Answers that a change waits, or what it would do. */
export function answerUnmade(
  desk: Desk,
  reply: FastifyReply,
  outcome: Exclude<Submitted, { kind: "published" }>,
): ProposedBody | TriedBody {
  if (outcome.kind === "tried") return answerTried(reply, outcome.audit, outcome.moved);
  const { id, version } = outcome;
  const proposal = desk.proposals().find((one) => one.id === id);
  if (proposal === undefined) throw new Failure("over", "the proposal waits no more");
  const shown = viewOf(proposal);
  reply.code(202).headers({ etag: etagOf(version), location: shown.url });
  return { version, proposal: shown };
}

function viewOf(proposal: Proposal): ProposalView {
  const { id, edit, author, reason, version, effects, createdMs, untilMs } = proposal;
  return {
    id,
    url: itemUrl("proposals", id),
    change: describeEdit(edit),
    author,
    reason,
    version,
    effects,
    createdAt: formatMoment(createdMs),
    until: formatMoment(untilMs),
  };
}
