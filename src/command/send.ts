/** `meridian send`: tells a node what machines know: signals of members, and round-trip times of clients. */

import { readFileSync } from "node:fs";
import { messageOf } from "../problem.ts";
import { type ApiOptions, postToApi } from "./api-call.ts";
import { complain, print } from "./console.ts";

/** Sends a body as the API takes it, from a file or from standard input. */
export async function send(
  what: "signals" | "observations",
  file: string | null,
  options: ApiOptions,
): Promise<void> {
  const body = read(file);
  if (body === null) return;
  if ((await postToApi(`/v1/${what}`, body, options)) !== null) print(`the ${what} are taken`);
}

function read(file: string | null): object | null {
  try {
    const body: unknown = JSON.parse(readFileSync(file ?? 0, "utf8"));
    if (typeof body === "object" && body !== null) return body;
    complain(`${file ?? "standard input"}: expected a JSON object`);
  } catch (cause) {
    complain(`${file ?? "standard input"}: ${messageOf(cause)}`);
  }
  return null;
}
