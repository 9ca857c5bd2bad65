/**
 * Reads that say which state they show: the ETag of each is that of its content (RFC 9110 §8.8.3), so a client that has it
 * already is told so (§13.1.2), and it begins with the version, so any of them can be sent as If-Match with a change.
 */

import { createHash } from "node:crypto";
import type { Api } from "./api.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** The version before the answer was worked out: what it shows is no older. */
    versionRead: number;
  }
}

/** 64 bits tell the contents of one URL apart. */
const HASH_DIGITS = 16;

/** Gives an ETag to each read under `/v1`, and answers 304 to who has the content. */
export function answerUnchanged(app: Api, version: () => number): void {
  app.decorateRequest("versionRead", 0);
  app.addHook("onRequest", async (request) => {
    request.versionRead = version();
  });
  app.addHook("onSend", async (request, reply, payload) => {
    const { method, url, versionRead, headers } = request;
    const isRead = (method === "GET" || method === "HEAD") && url.startsWith("/v1/");
    if (!isRead || reply.statusCode !== 200 || typeof payload !== "string") return payload;
    const hash = createHash("sha256").update(payload).digest("hex").slice(0, HASH_DIGITS);
    const etag = `"${versionRead}-${hash}"`;
    reply.headers({ etag, "cache-control": "no-cache" });
    if (!tagsIn(headers["if-none-match"]).includes(etag)) return payload;
    reply.code(304).removeHeader("content-type").removeHeader("content-length");
    return null;
  });
}

/** Compared weakly (RFC 9110 §8.8.3.2). `*` says nothing here: what is read is always there. */
function tagsIn(header: string | undefined): readonly string[] {
  return Array.from((header ?? "").matchAll(/(?:W\/)?("[^"]*")/g), ([, tag = ""]) => tag);
}
