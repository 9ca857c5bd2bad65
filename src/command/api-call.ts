/** How commands ask the API of a node. */

import { readToken } from "./agent.ts";
import { complain } from "./console.ts";

/** Where the API is, and who asks. */
export interface ApiOptions {
  readonly api: string;
  readonly tokenFile?: string;
}

/** The body of the answer to a POST; null: there is none, and the operator has been told why. */
export async function postToApi(path: string, body: object, options: ApiOptions): Promise<object | null> {
  const token =
    options.tokenFile === undefined ? process.env["MERIDIAN_TOKEN"] : readToken(options.tokenFile);
  if (token === null) return null;
  if (token === undefined) {
    complain("Set MERIDIAN_TOKEN or give --token-file: the API wants a token");
    return null;
  }
  let response: Response;
  try {
    response = await fetch(new URL(path, options.api), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch (cause) {
    complain(`Cannot reach ${options.api}: ${String(cause)}; is a node running there?`);
    return null;
  }
  const answer: unknown = await response.json();
  if (response.ok && typeof answer === "object" && answer !== null) return answer;
  complain(`${options.api} says ${response.status}: ${JSON.stringify(answer)}`);
  return null;
}
