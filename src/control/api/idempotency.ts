/**
 * Requests that can be sent again without being done again (draft-ietf-httpapi-idempotency-key-header): who gets no answer
 * sends the same request with the same key, and gets the answer that there was.
 */

import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { Logger } from "pino";
import Type from "typebox";
import type { Desk } from "../desk.ts";
import type { KeyedRequest } from "../repeats.ts";
import type { Api } from "./api.ts";
import { isDryRun } from "./dry-run.ts";
import { Failure } from "./errors.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Set while the request is the first of its key; null: it has none, or it is a repeated one. */
    keyed: KeyedRequest | null;
  }
}

const HEADER = "idempotency-key";

/** The headers of a route that can be asked again. */
export interface KeyHeader {
  readonly "idempotency-key"?: string;
}

/** The same as a part of a schema. */
export const keyProperties: {
  readonly [HEADER]: Type.TOptional<Type.TString>;
} = {
  [HEADER]: Type.Optional(
    Type.String({
      pattern: '^("[!#-\\[\\]-~]{1,255}"|[!#-\\[\\]-~]{1,255})$',
      description:
        "a key of 1 to 255 characters, with or without quotes, that no other request of yours has had",
    }),
  ),
};

/** For routes that have no other headers. */
export const keyHeader: Type.TUnsafe<KeyHeader> = Type.Unsafe<KeyHeader>(Type.Object(keyProperties));

/** What of the headers of a reply says something about its content. */
const KEPT_HEADERS = ["content-type", "etag", "location"];

/** Soon enough for who waits, and seldom enough for us. */
const RETRY_AFTER_SECONDS = 1;

/** Answers repeated requests in the place of the routes whose schema has the header. */
export function answerRepeats(app: Api, desk: Desk, log: Logger): void {
  app.decorateRequest("keyed", null);
  app.addHook("preHandler", async (request, reply) => {
    const keyed = keyedRequest(request);
    if (keyed === null) return;
    const begun = desk.repeats.begin(keyed, desk.nowMs());
    switch (begun.kind) {
      case "first":
        request.keyed = keyed;
        return;
      case "repeat":
        reply.code(begun.reply.status).headers(begun.reply.headers);
        return reply.send(begun.reply.body ?? undefined);
      case "reused":
        throw new Failure("key-reused", `the Idempotency-Key ${keyed.key} was that of another request`);
      case "under-way":
        throw new Failure("under-way", `the request of the Idempotency-Key ${keyed.key} is not done yet`, {
          headers: { "retry-after": String(RETRY_AFTER_SECONDS) },
        });
      case "unknown":
        throw new Failure(
          "outcome-unknown",
          `the node ended while it did the request of the Idempotency-Key ${keyed.key}: look whether it was done, and if not use another key`,
        );
    }
  });
  app.addHook("onSend", async ({ keyed }, reply, payload) => {
    if (keyed === null) return payload;
    const headers: Record<string, string> = {};
    for (const name of KEPT_HEADERS) {
      const value = reply.getHeader(name);
      if (value !== undefined) headers[name] = String(value);
    }
    const body = typeof payload === "string" ? payload : null;
    try {
      desk.repeats.end(keyed, { status: reply.statusCode, headers, body });
    } catch (cause) {
      // What was asked for is done; sent again, it would be told that nobody knows.
      log.error(
        { cause: String(cause) },
        "what was answered to a request with an Idempotency-Key is not stored",
      );
    }
    return payload;
  });
}

/** null: it is not to be kept. */
function keyedRequest(request: FastifyRequest): KeyedRequest | null {
  const { token, method, url, body, headers, routeOptions } = request;
  const header = headers[HEADER];
  // What changes nothing can be asked again as it is.
  if (isDryRun(request)) return null;
  if (token === null || typeof header !== "string" || !takesKeys(routeOptions.schema?.headers)) return null;
  const asked = JSON.stringify([method, url, headers["if-match"] ?? null, body ?? null]);
  return {
    // Who removes a token and makes another of its name does not inherit its requests.
    sender: token.id,
    key: header.replace(/^"(.*)"$/, "$1"),
    fingerprint: createHash("sha256").update(asked).digest("hex"),
  };
}

function takesKeys(headers: unknown): boolean {
  return Type.IsObject(headers) && HEADER in headers.properties;
}
