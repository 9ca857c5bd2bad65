/** How commands ask the API of a node. */

import { once } from "node:events";
import { type IncomingMessage, request as requestInClear } from "node:http";
import { request as requestByTls } from "node:https";
import type { Socket } from "node:net";
import { json, text } from "node:stream/consumers";
import { connectTo, parseNodeUrl, parseTrust, type TrustOptions } from "../probe/trust.ts";
import { messageOf } from "../problem.ts";
import { complain, print } from "./console.ts";
import { readToken } from "./token-file.ts";

/** Where the API is, what it must show, and who asks. */
export interface ApiOptions extends TrustOptions {
  readonly api: string;
  readonly tokenFile?: string;
  /** Nobody is told when there is no answer. */
  readonly isOptional?: boolean;
}

/** The body of the answer to a POST; null: there is none, and the operator has been told why. */
export function postToApi(path: string, body: object, options: ApiOptions): Promise<object | null> {
  return askApi("POST", path, body, options);
}

/** The same for a GET. */
export function getFromApi(path: string, options: ApiOptions): Promise<object | null> {
  return call(path, options, { method: "GET", headers: {} });
}

/** The same for what is no JSON. */
export async function getTextFromApi(path: string, options: ApiOptions): Promise<string | null> {
  const answer = await ask(path, options, { method: "GET", headers: {} });
  return typeof answer === "string" ? answer : null;
}

/** The same for any request; it goes by the version that was looked at, unless that is null. */
export function askApi(
  method: Call["method"],
  path: string,
  body: object | null,
  options: ApiOptions,
  version: number | null = null,
): Promise<object | null> {
  const headers = version === null ? {} : { "if-match": `"${version}"` };
  return call(
    path,
    options,
    body === null
      ? { method, headers }
      : {
          method,
          headers: { ...headers, "content-type": "application/json" },
          body: JSON.stringify(body),
        },
  );
}

/**
 * All entries of a list that comes in pages, as the bodies have them under `key`, with what else is `asked` of them; null: not all could be
 * had, and the operator has been told why.
 */
export async function getListFromApi(
  path: string,
  key: string,
  options: ApiOptions,
  asked: Readonly<Record<string, string>> = {},
): Promise<readonly unknown[] | null> {
  const entries: unknown[] = [];
  for (let after: string | null = null; ; ) {
    const query = new URLSearchParams({ ...asked, limit: "1000", ...(after === null ? {} : { after }) });
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
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function call(path: string, options: ApiOptions, call: Call): Promise<object | null> {
  const answer = await ask(path, options, call);
  return typeof answer === "object" ? answer : null;
}

async function ask(path: string, options: ApiOptions, call: Call): Promise<object | string | null> {
  const token =
    options.tokenFile === undefined ? process.env["MERIDIAN_TOKEN"] : readToken(options.tokenFile);
  if (token === null) return null;
  if (token === undefined) {
    complain("Set MERIDIAN_TOKEN or give --token-file: the API wants a token");
    return null;
  }
  try {
    const { statusCode = 0, answer } = await send(path, options, token, call);
    if (statusCode < 300 && (typeof answer === "string" || (typeof answer === "object" && answer !== null)))
      return answer;
    if (options.isOptional === true) return null;
    // Schemas take longer to load than the rest of a command; most answers need none.
    const { whatIsWrong } = await import("./problem-details.ts");
    complain(`${options.api} says ${statusCode}: ${whatIsWrong(answer)}`);
  } catch (cause) {
    complain(messageOf(cause));
  }
  return null;
}

/** Throws, and says what an operator may do, when there is no answer. */
async function send(
  path: string,
  { api, ...options }: ApiOptions,
  token: string,
  { method, headers, body }: Call,
): Promise<{ readonly statusCode: number | undefined; readonly answer: unknown }> {
  const trust = parseTrust(options);
  const node = parseNodeUrl(api, trust);
  let hint = "is a node running there?";
  const createConnection = (): Socket =>
    connectTo(node, trust, () => {
      hint = "--ca or --pin may say whom to trust; the token was not sent";
    });
  const request = (node.protocol === "https:" ? requestByTls : requestInClear)(new URL(path, node), {
    createConnection,
    method,
    headers: { ...headers, authorization: `Bearer ${token}` },
  });
  request.end(body);
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    // There is nothing to tell, and that is no error.
    if (response.statusCode === 204) return { statusCode: 204, answer: {} };
    const isJson = /[/+]json\b/.test(response.headers["content-type"] ?? "");
    return { statusCode: response.statusCode, answer: await (isJson ? json(response) : text(response)) };
  } catch (cause) {
    throw new Error(`Cannot ask ${api}: ${messageOf(cause)}; ${hint}`);
  }
}

/** Prints an answer: as it is, or its lines for people. */
export function printAnswer(answer: object, asJson: boolean): void {
  const lines = "lines" in answer ? answer.lines : null;
  if (asJson) print(JSON.stringify(answer, null, 2));
  else for (const line of Array.isArray(lines) ? lines.map(String) : []) print(line);
}
