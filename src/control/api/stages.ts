/** Overrides that take effect step by step: what they are at, and what they are to do. */

import Type from "typebox";
import type { Desk } from "../desk.ts";
import { describeStage, type Stage } from "../stage.ts";
import type { Api } from "./api.ts";
import { dryRunQuery, orTried } from "./dry-run.ts";
import { answerChanged, proposed } from "./proposals.ts";
import {
  errorBody,
  formatOptionalMoment,
  idParameter,
  moment,
  nullable,
  object,
  oneOf,
  version,
} from "./schemas.ts";
import { changeHeaders, reasonText, submit } from "./submit.ts";

/** How far an override has come. */
interface StageView {
  readonly part: number;
  readonly goal: "in force" | "ended";
  readonly nextAt: string | null;
  readonly watched: readonly string[];
  readonly text: string;
}

/** The schema of a stage. */
export const stageSchema: Type.TUnsafe<StageView> = Type.Unsafe<StageView>(
  object(
    {
      part: Type.Number({ minimum: 0, maximum: 1, description: "how much of the override is in force" }),
      goal: oneOf(["in force", "ended"], "where it is going"),
      nextAt: nullable(moment),
      watched: Type.Array(Type.String(), {
        description: "the VIPs that get more clients by it: harm to one of them takes it back",
      }),
      text: Type.String({ description: "how far it has come, for people" }),
    },
    {
      description:
        "An override that takes effect step by step, because all of it would move too many clients.",
    },
  ),
);

export function stageView(stage: Stage): StageView {
  const { part, goal, nextMs, watched } = stage;
  return {
    part,
    goal: goal === 1 ? "in force" : "ended",
    nextAt: formatOptionalMoment(nextMs),
    watched,
    text: describeStage(stage),
  };
}

const done = object({ version }, { description: "It is paused, goes on, or is taken back." });

export function stageRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/overrides/:id/stage",
    {
      config: { access: "operator", takesScope: true },
      schema: {
        summary: "Pause, resume or take back an override that takes effect step by step",
        tags: ["overrides"],
        headers: changeHeaders,
        querystring: dryRunQuery,
        params: idParameter("the id of an override"),
        body: object({
          order: oneOf(["pause", "resume", "abort"], "pause, resume or abort"),
          reason: reasonText,
        }),
        response: { 200: orTried(done), 202: proposed, default: errorBody },
      },
    },
    async (request, reply) => {
      const { order, reason } = request.body;
      const edit = { kind: "stage", id: request.params.id, order } as const;
      const outcome = await submit(desk, request, edit, reason);
      return answerChanged(desk, reply, outcome);
    },
  );
}
