/** Whether this node lives, and whether it can be sent queries; for load balancers and supervisors, so without a token. */

import Type from "typebox";
import { formatProblem } from "../../problem.ts";
import type { Desk, LastReload } from "../desk.ts";
import type { Api } from "./api.ts";
import { errorBody, formatMoment, object } from "./schemas.ts";

const alive = object({ alive: Type.Literal(true) }, { description: "This process answers." });

const readiness = object(
  {
    ready: Type.Boolean(),
    reasons: Type.Array(Type.String(), { description: "why it is not ready" }),
    warnings: Type.Array(Type.String(), {
      description: "what is wrong, but does not keep it from answering",
    }),
  },
  { description: "Whether dns answers from a book of this control." },
);

export function healthRoutes(app: Api, desk: Desk): void {
  app.get(
    "/healthz",
    {
      config: { access: "public" },
      schema: {
        summary: "Whether control lives",
        tags: ["health"],
        response: { 200: alive, default: errorBody },
      },
    },
    () => ({ alive: true as const }),
  );

  app.get(
    "/readyz",
    {
      config: { access: "public" },
      schema: {
        summary: "Whether the node answers queries, or why it does not",
        tags: ["health"],
        response: { 200: readiness, 503: readiness, default: errorBody },
      },
    },
    (_request, reply) => {
      const reasons = reasonsOf(desk);
      const ready = reasons.length === 0;
      reply.code(ready ? 200 : 503);
      return { ready, reasons: [...reasons], warnings: [...warningsOf(desk)] };
    },
  );
}

/** Why dns cannot be counted on now. */
function reasonsOf(desk: Desk): readonly string[] {
  return desk.status().adoptedVersion === 0 ? ["dns serves no book of this control yet"] : [];
}

/** A failed reload is no reason to send queries elsewhere: what was read before stays in force. */
function warningsOf(desk: Desk): readonly string[] {
  const { lastReload, store } = desk.status();
  const ofStore = store.problem === null ? [] : [store.problem.message];
  return [...ofStore, ...reloadWarnings(lastReload)];
}

function reloadWarnings(lastReload: LastReload): readonly string[] {
  switch (lastReload.kind) {
    case "loaded":
      return lastReload.warnings.map(formatProblem);
    case "refused": {
      const [first, ...others] = lastReload.problems;
      const problem = first === undefined ? "" : `: ${formatProblem(first)}`;
      const more = others.length === 0 ? "" : ` (+${others.length} problems)`;
      return [`the files changed but were refused at ${formatMoment(lastReload.atMs)}${problem}${more}`];
    }
  }
}
