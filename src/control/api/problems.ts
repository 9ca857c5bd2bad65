/** What each kind of problem means, at the address that its `type` names. */

import Type, { type Static } from "typebox";
import type { Api } from "./api.ts";
import { PROBLEM_CODES, PROBLEMS, type ProblemCode, problemUrl } from "./errors.ts";
import { itemOf } from "./page.ts";
import { errorBody, object, oneOf } from "./schemas.ts";

const kind = object(
  {
    type: Type.String({ format: "uri-reference", description: "the address of this explanation" }),
    code: oneOf(PROBLEM_CODES, "for programs"),
    status: Type.Integer({ description: "the status of responses with this problem" }),
    title: Type.String({ description: "what it is, in a few words" }),
    meaning: Type.String({ description: "when it happens" }),
  },
  { description: "A kind of problem." },
);

const list = object({ problems: Type.Array(kind) }, { description: "Every kind of problem." });

export function problemRoutes(app: Api): void {
  app.get(
    "/problems",
    {
      config: { access: "public" },
      schema: {
        summary: "Everything that can go wrong",
        tags: ["problems"],
        response: { 200: list, default: errorBody },
      },
    },
    () => ({ problems: PROBLEM_CODES.map(viewOf) }),
  );

  app.get(
    "/problems/:code",
    {
      config: { access: "public" },
      schema: {
        summary: "What a kind of problem means",
        tags: ["problems"],
        params: object({ code: Type.String({ description: "the code of a problem" }) }),
        response: { 200: kind, default: errorBody },
      },
    },
    ({ params }) => viewOf(itemOf("problem with the code", PROBLEM_CODES, (code) => code, params.code)),
  );
}

function viewOf(code: ProblemCode): Static<typeof kind> {
  return { type: problemUrl(code), code, ...PROBLEMS[code] };
}
