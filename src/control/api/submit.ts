/**
 * Takes a request to the one door, under the version that its author looked at: the ETag of what was read begins with it, and
 * If-Match says that a change may follow that one alone (RFC 9110 §13.1.1).
 */

import type { FastifyRequest } from "fastify";
import Type from "typebox";
import type { Problem } from "../../problem.ts";
import type { ChangeOutcome, Edit } from "../change.ts";
import type { Desk } from "../desk.ts";
import { authorOf, beyondToken, scopeOf } from "./auth.ts";
import { dryRunText, isDryRun } from "./dry-run.ts";
import { badRequest, Failure, failureFor } from "./errors.ts";
import { type KeyHeader, keyProperties } from "./idempotency.ts";
import { object, oneOf } from "./schemas.ts";

/** The headers of a route that makes changes. */
export const changeHeaders: Type.TUnsafe<{ "if-match"?: string } & KeyHeader> = Type.Unsafe<
  { "if-match"?: string } & KeyHeader
>(
  Type.Object({
    ...keyProperties,
    "if-match": Type.Optional(
      Type.String({ description: "the ETag that was read; 412 when something has changed since" }),
    ),
  }),
);

/** The longest reason; it stands in log lines and lists. */
const REASON_LENGTH_MAX = 500;

/** Why a change is made. */
export const reasonText: Type.TString = Type.String({
  minLength: 1,
  maxLength: REASON_LENGTH_MAX,
  description: `a reason of 1 to ${REASON_LENGTH_MAX} characters`,
});

/** What the query of a change says that has no body. */
interface ChangeQuery {
  readonly reason?: string;
  readonly force?: "true" | "false";
  readonly dryRun?: "true" | "false";
}

/** The query of a change that has no body, and that no rule is asked about. */
export const freeQuery: Type.TUnsafe<Omit<ChangeQuery, "force">> = Type.Unsafe<Omit<ChangeQuery, "force">>(
  object({ reason: Type.Optional(reasonText), dryRun: dryRunText }),
);

/** The same where rules are asked. */
export const ruledQuery: Type.TUnsafe<ChangeQuery> = Type.Unsafe<ChangeQuery>(
  object({
    reason: Type.Optional(reasonText),
    force: Type.Optional(
      oneOf(["true", "false"], "true: also if that breaks rules, for which a reason must be given"),
    ),
    dryRun: dryRunText,
  }),
);

/** The ETag of a change. */
export function etagOf(version: number): string {
  return `"${version}"`;
}

/** What became of a change: it is in force, waits for a second person, or was only tried. */
export type Submitted = Extract<ChangeOutcome, { kind: "published" | "proposed" | "tried" }>;

/** Makes a change in the name of the token, proposes it, or tries it; fails when it is none of these. */
export async function submit(
  desk: Desk,
  request: Pick<FastifyRequest, "headers" | "query" | "token">,
  edit: Edit,
  reason: string,
  force = false,
): Promise<Submitted> {
  const ifVersion = versionOf(request.headers["if-match"]);
  const limits = scopeOf(request);
  const author = authorOf(request);
  const dryRun = isDryRun(request);
  const outcome = await desk.change({ author, reason, edit, ifVersion, force, dryRun, ...limits });
  switch (outcome.kind) {
    case "published":
    case "proposed":
    case "tried":
      return outcome;
    case "conflict": {
      const was = ifVersion === null ? "what was looked at" : `version ${ifVersion}`;
      throw new Failure(
        412,
        `${was} is not the version any more, ${outcome.current} is; look again and repeat`,
        { headers: { etag: etagOf(outcome.current) } },
      );
    }
    case "forbidden":
      throw beyondToken(request, outcome.why);
    case "refused":
      throw failureFor(endsNothing(edit, outcome.problems) ? 404 : 422, outcome.problems);
  }
}

/** The same for a change that has no body; `usual` is its reason where it gives none. */
export async function submitByQuery(
  desk: Desk,
  request: Pick<FastifyRequest<{ Querystring: ChangeQuery }>, "headers" | "query" | "token">,
  edit: Edit,
  usual: string,
): Promise<Submitted> {
  const { reason, force } = request.query;
  if (reason === undefined && force === "true") throw badRequest(["reason: expected why rules are broken"]);
  return await submit(desk, request, edit, reason ?? usual, force === "true");
}

/** What is to end and is not there is a URL that is not there. What breaks a rule is there: its problem is in a file. */
function endsNothing({ kind }: Edit, problems: readonly Problem[]): boolean {
  const ends = ["end-override", "end-challenge", "end-rollback", "withdraw", "stage"].includes(kind);
  return ends && problems.every(({ file }) => file === "request");
}

/** The version that an If-Match header names; null: any (no header, or `*`). */
function versionOf(header: string | undefined): number | null {
  if (header === undefined || header.trim() === "*") return null;
  const digits = /^\s*"?(\d{1,15})(-[0-9a-f]*)?"?\s*$/.exec(header)?.[1];
  if (digits !== undefined) return Number(digits);
  throw new Failure(400, `If-Match: expected the ETag of an earlier response, such as "12", got ${header}`);
}
