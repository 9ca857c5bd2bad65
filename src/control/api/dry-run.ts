/** Changes that are only tried: what they would do. */

import type { FastifyReply, FastifyRequest } from "fastify";
import Type, { type TSchema } from "typebox";
import { describeMove, type Moved } from "../moved-clients.ts";
import type { NewAuditEntry } from "../store.ts";
import { nullable, object, oneOf } from "./schemas.ts";

/** What the query of a route has that can be tried. */
export const dryRunText: Type.TOptional<Type.TUnsafe<"true" | "false">> = Type.Optional(
  oneOf(["true", "false"], "true: check all of it and say what it would do, and do nothing"),
);

/** The query of a route that has nothing else in it. */
export const dryRunQuery: Type.TObject<{ dryRun: typeof dryRunText }> = object({ dryRun: dryRunText });

const share = Type.Number({ minimum: 0, maximum: 1.000001 });

/** What a change would do. */
export interface TriedBody {
  readonly dryRun: true;
  readonly changes: readonly Pick<NewAuditEntry, "event" | "detail">[];
  readonly moved: Omit<Moved, "gaining"> | null;
  readonly lines: readonly string[];
}

/** The response of a dry run. */
export const tried: Type.TUnsafe<TriedBody> = Type.Unsafe<TriedBody>(
  object(
    {
      dryRun: Type.Literal(true),
      changes: Type.Array(object({ event: Type.String(), detail: Type.String() }), {
        description: "what would go on record",
      }),
      moved: nullable(
        object(
          {
            basis: oneOf(["profile", "countries"], "what clients are counted by"),
            share,
            routes: Type.Array(object({ from: Type.String(), to: Type.String(), share })),
            services: Type.Array(object({ service: Type.String(), share })),
          },
          { description: "how many of all clients would get other addresses; null: it concerns no service" },
        ),
      ),
      lines: Type.Array(Type.String(), { description: "all of it for people" }),
    },
    { description: "What it would do; nothing has been done." },
  ),
);

/** The response of a route whose success has the status of a dry run. */
export function orTried<S extends TSchema>(made: S): Type.TUnion<[S, typeof tried]> {
  const description = "description" in made ? String(made.description) : "";
  return Type.Union([made, tried], { description: `${description} Of a dry run: what it would do.` });
}

/** Whether a request only tries what it asks for. */
export function isDryRun({ query }: Pick<FastifyRequest, "query">): boolean {
  return typeof query === "object" && query !== null && "dryRun" in query && query.dryRun === "true";
}

/** Answers what a change would do. */
export function answerTried(
  reply: FastifyReply,
  changes: readonly Pick<NewAuditEntry, "event" | "detail">[],
  moved: Moved | null,
): TriedBody {
  reply.code(200);
  return {
    dryRun: true,
    changes: changes.map(({ event, detail }) => ({ event, detail })),
    moved: moved && viewOf(moved),
    lines: [
      ...changes.map(({ event, detail }) => `${event}: ${detail}`),
      ...(moved === null ? [] : describeMove(moved)),
    ],
  };
}

/** Which VIPs gain is for those that watch a change while it takes effect. */
function viewOf({ gaining: _, ...shown }: Moved): Omit<Moved, "gaining"> {
  return shown;
}
