/** `meridian explain`: asks a node why a client gets the answer it gets. */

import { readToken } from "./agent.ts";
import { complain, print } from "./console.ts";

/** Prints the explanation that the API of a node gives. */
export async function explain(
  name: string,
  options: {
    readonly client?: string;
    readonly resolver?: string;
    readonly if: readonly string[];
    readonly type: string;
    readonly api: string;
    readonly tokenFile?: string;
    readonly json?: boolean;
  },
): Promise<void> {
  const token =
    options.tokenFile === undefined ? process.env["MERIDIAN_TOKEN"] : readToken(options.tokenFile);
  if (token === null) return;
  if (token === undefined) return complain("Set MERIDIAN_TOKEN or give --token-file: the API wants a token");
  const { type, client, resolver } = options;
  let response: Response;
  try {
    response = await fetch(new URL("/v1/explain", options.api), {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name, type, client, resolver, if: options.if }),
    });
  } catch (cause) {
    return complain(`Cannot reach ${options.api}: ${String(cause)}; is a node running there?`);
  }
  const body: unknown = await response.json();
  if (!response.ok) return complain(`${options.api} says ${response.status}: ${JSON.stringify(body)}`);
  if (options.json === true) return print(JSON.stringify(body, null, 2));
  for (const line of linesOf(body)) print(line);
}

function linesOf(body: unknown): readonly string[] {
  const lines = typeof body === "object" && body !== null && "lines" in body ? body.lines : null;
  return Array.isArray(lines) ? lines.map(String) : [];
}
