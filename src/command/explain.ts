/** `meridian explain`: asks a node why a client gets the answer it gets. */

import { type ApiOptions, postToApi, printAnswer } from "./api-call.ts";

/** Prints the explanation that the API of a node gives. */
export async function explain(
  name: string,
  options: ApiOptions & {
    readonly client?: string;
    readonly resolver?: string;
    readonly at?: string;
    readonly if: readonly string[];
    readonly type: string;
    readonly json?: boolean;
  },
): Promise<void> {
  const { type, client, resolver, at: time } = options;
  const question = { name, type, client, resolver, time, if: options.if };
  const answer = await postToApi("/v1/explain", question, options);
  if (answer !== null) printAnswer(answer, options.json === true);
}
