/** What commands say of problem details (RFC 9457). */

import Type from "typebox";
import { Value } from "typebox/value";
import { problem } from "../control/api/schemas.ts";
import { formatProblem } from "../problem.ts";

const problemDetails = Type.Object({
  detail: Type.String(),
  problems: Type.Optional(Type.Array(problem)),
});

/** What it says; what did not come from a node is shown as it is. */
export function whatIsWrong(answer: unknown): string {
  if (!Value.Check(problemDetails, answer)) return JSON.stringify(answer);
  const { detail, problems = [] } = answer;
  return problems.length === 0 ? detail : problems.map(formatProblem).join("\n");
}
