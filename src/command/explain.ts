/** `meridian explain`: asks a node why a client gets the answer it gets. */

import { type ApiOptions, postToApi } from "./api-call.ts";
import { print } from "./console.ts";

/** Prints the explanation that the API of a node gives. */
export async function explain(
  name: string,
  options: ApiOptions & {
    readonly client?: string;
    readonly resolver?: string;
    readonly if: readonly string[];
    readonly type: string;
    readonly json?: boolean;
  },
): Promise<void> {
  const { type, client, resolver } = options;
  const question = { name, type, client, resolver, if: options.if };
  const answer = await postToApi("/v1/explain", question, options);
  if (answer === null) return;
  if (options.json === true) return print(JSON.stringify(answer, null, 2));
  for (const line of linesOf(answer)) print(line);
}

function linesOf(answer: object): readonly string[] {
  const lines = "lines" in answer ? answer.lines : null;
  return Array.isArray(lines) ? lines.map(String) : [];
}
