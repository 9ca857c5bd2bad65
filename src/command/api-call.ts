/** How commands ask the API of a node. */

import { readToken } from "./agent.ts";
import { complain, print } from "./console.ts";

/** Where the API is, and who asks. */
export interface ApiOptions {
  readonly api: string;
  readonly tokenFile?: string;
}

/** The body of the answer to a POST; null: there is none, and the operator has been told why. */
export function postToApi(path: string, body: object, options: ApiOptions): Promise<object | null> {
  return call(path, options, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The same for a GET. */
function getFromApi(path: string, options: ApiOptions): Promise<object | null> {
  return call(path, options, { method: "GET", headers: {} });
}

/**
 * All entries of a list that comes in pages, as the bodies have them under `key`; null: not all could be had, and the operator has been
 * told why.
 */
export async function getListFromApi(
  path: string,
  key: string,
  options: ApiOptions,
): Promise<readonly unknown[] | null> {
  const entries: unknown[] = [];
  for (let after: string | null = null; ; ) {
    const query = new URLSearchParams({ limit: "1000", ...(after === null ? {} : { after }) });
    const page: Readonly<Record<string, unknown>> | null = await getFromApi(`${path}?${query}`, options).then(
      (body) => body && { ...body },
    );
    if (page === null) return null;
    const listed = page[key];
    if (Array.isArray(listed)) entries.push(...listed);
    if (typeof page["next"] !== "string") return entries;
    after = page["next"];
  }
}

interface Call {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function call(path: string, options: ApiOptions, { headers, ...rest }: Call): Promise<object | null> {
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
      ...rest,
      headers: { ...headers, authorization: `Bearer ${token}` },
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

/** Prints an answer: as it is, or its lines for people. */
export function printAnswer(answer: object, asJson: boolean): void {
  const lines = "lines" in answer ? answer.lines : null;
  if (asJson) print(JSON.stringify(answer, null, 2));
  else for (const line of Array.isArray(lines) ? lines.map(String) : []) print(line);
}
