/** Whether a change may be made that has been held against the rules: at once, step by step, by a second person, or not. */

import type { Problem } from "../problem.ts";
import type { SteeringRequest } from "./change.ts";
import type { Approval, Review } from "./safety.ts";

/** `problems` are what stands against making it now. */
export type Judgement =
  /** It may, by force if rules are broken. */
  | { readonly kind: "free"; readonly broken: readonly Problem[] }
  | { readonly kind: "refused"; readonly problems: readonly Problem[] }
  | { readonly kind: "needs-approval"; readonly problems: readonly Problem[]; readonly approval: Approval }
  /** It may, but not at once. */
  | { readonly kind: "in-steps"; readonly problems: readonly [Problem] };

/** `isGradual`: it could take effect step by step. */
export function judge(
  { problems, tooMany, approval }: Review,
  { approved, force, isDrill, breakGlass }: SteeringRequest,
  isGradual = false,
): Judgement {
  const needed = approved === undefined ? approval : null;
  const broken = [...problems, ...(tooMany ? [tooMany] : []), ...(needed ? [needed.problem] : [])];
  if (broken.length === 0 || force === true) return { kind: "free", broken };
  const refused = { kind: "refused", problems: broken } as const;
  // A drill that waited, or came little by little, would not be the one that was rehearsed; and who breaks the glass does it now.
  const isNow = isDrill === true || breakGlass === true;
  if (problems.length > 0 || isNow || (tooMany !== null && !isGradual)) return refused;
  if (needed !== null) return { kind: "needs-approval", problems: [needed.problem], approval: needed };
  return tooMany === null ? refused : { kind: "in-steps", problems: [tooMany] };
}
