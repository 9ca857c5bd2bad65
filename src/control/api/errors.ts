/** The one shape of everything that goes wrong: problem details (RFC 9457). */

import { randomUUID } from "node:crypto";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import { inRequest, type Problem } from "../../problem.ts";
import { StoreUnavailable } from "../store-file.ts";
import { withoutSecrets } from "../token.ts";
import type { Api } from "./api.ts";

/** The media type of problem details. */
export const PROBLEM_JSON = "application/problem+json";

/** The body of every response that is no success. */
export interface ProblemDetails {
  /** A URI reference, the same for all problems of this code: `/problems/CODE`, where it is explained. */
  readonly type: string;
  /** The same for all problems of this code. */
  readonly title: string;
  readonly status: number;
  /** What it is this time, for people. */
  readonly detail: string;
  /** What the log of the node calls this very case; only where the log says more than the client is told. */
  readonly instance?: string;
  /** The last part of `type`, for programs. */
  readonly code: ProblemCode;
  /** Everything that is wrong with what was sent, or with the files that were to be loaded. */
  readonly problems?: readonly Problem[];
}

/** What can go wrong, by code, and when it does. Where several have a status, the first is the usual one. */
export const PROBLEMS = {
  "bad-request": {
    status: 400,
    title: "The request cannot be understood",
    meaning: "Unknown keys, wrong types, no reason.",
  },
  unauthenticated: {
    status: 401,
    title: "No valid token",
    meaning: "No token, or one that is not known here.",
  },
  forbidden: {
    status: 403,
    title: "The token may not do this",
    meaning: "The token's role is not enough, or its scope.",
  },
  "not-found": {
    status: 404,
    title: "There is no such thing",
    meaning: "No such route, service, override or token.",
  },
  "too-slow": {
    status: 408,
    title: "The request came too slowly",
    meaning: "A request has to be there as a whole within ten seconds.",
  },
  taken: { status: 409, title: "Something else is there", meaning: "A token of this name exists." },
  over: {
    status: 409,
    title: "It is over already",
    meaning: "A drill that has ended, an override, challenge or proposal whose end has come meanwhile.",
  },
  "under-way": {
    status: 409,
    title: "The request is not done yet",
    meaning: "One with the same `Idempotency-Key` is being done; `Retry-After` says when to ask again.",
  },
  "outcome-unknown": {
    status: 409,
    title: "Nobody knows whether it was done",
    meaning: "The node ended while it did the request of this `Idempotency-Key`. Look, then use another key.",
  },
  "version-conflict": {
    status: 412,
    title: "Something has changed since",
    meaning: "`If-Match` names an older version; `ETag` tells the current one.",
  },
  "too-large": {
    status: 413,
    title: "The body is too large",
    meaning:
      "More than 64 KiB of body (16 MiB for `POST /v1/simulate`, 64 MiB for `POST /v1/preview` and `PUT /v1/config`).",
  },
  "too-long": { status: 414, title: "The URL is too long", meaning: "A part of the path is endless." },
  "unsupported-media-type": {
    status: 415,
    title: "The body is not JSON",
    meaning: "`Content-Type` has to be `application/json`.",
  },
  refused: {
    status: 422,
    title: "The change would not be right",
    meaning:
      "Understood, but refused: an unknown target, an end in the past, files with problems. Nothing has changed.",
  },
  "key-reused": {
    status: 422,
    title: "The key is that of another request",
    meaning: "This `Idempotency-Key` came with something else within the last day.",
  },
  "upgrade-required": {
    status: 426,
    title: "This is a WebSocket",
    meaning: "The report stream is a WebSocket.",
  },
  "too-many-requests": {
    status: 429,
    title: "Too many requests",
    meaning:
      "More than 6,000 requests in a minute by one token or address, or too many tokens that are not known here; `Retry-After` says when.",
  },
  internal: {
    status: 500,
    title: "A mistake of ours",
    meaning: "The node's log says more, under the `instance` of the problem.",
  },
  "store-unavailable": {
    status: 503,
    title: "The store cannot do it now",
    meaning:
      "The disk is full, or the store's file is damaged, gone or locked; `detail` says which, and what to do. Nothing has changed. Answers and failover go on, and [break-glass](operations.md#break-glass) works.",
  },
} as const;

/** For programs: which kind of problem it is. */
export type ProblemCode = keyof typeof PROBLEMS;

/** All of them, in the order of their statuses. */
export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[];

/** Thrown by a route that cannot do what it was asked for. */
export class Failure extends Error {
  readonly statusCode: number;
  readonly code: ProblemCode;
  readonly problems: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    /** Or the code, where another one than the usual of its status is meant. */
    what: number | ProblemCode,
    message: string,
    more: {
      readonly problems?: readonly Problem[];
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message);
    this.code = typeof what === "number" ? usualCode(what) : what;
    this.statusCode = typeof what === "number" ? what : PROBLEMS[what].status;
    this.problems = more.problems ?? [];
    this.headers = more.headers ?? {};
  }
}

function usualCode(status: number): ProblemCode {
  return PROBLEM_CODES.find((code) => PROBLEMS[code].status === status) ?? "bad-request";
}

/** A failure that is all in its problems. */
export function failureFor(statusCode: number, problems: readonly Problem[]): Failure {
  const [first, ...others] = problems;
  const message = first === undefined || others.length > 0 ? `${problems.length} problems` : first.message;
  return new Failure(statusCode, message, { problems });
}

/** 400 for something that cannot be understood; each message begins with the place in the request. */
export function badRequest(messages: readonly string[]): Failure {
  return failureFor(400, messages.map(inRequest));
}

/** Lets everything that goes wrong, in a route or before one is found, end in the one shape. */
export function answerErrors(app: Api, log: Logger): void {
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split("?", 1)[0];
    return send(reply, new Failure(404, `no route ${request.method} ${path}; /docs lists them all`));
  });
}

/** Answers with an error of ours or of fastify; of anything else the client learns no more than that it happened. */
export function answerError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): FastifyReply {
  const failure = failureOf(error);
  // The log has been told of the store already.
  if (failure.statusCode < 500 || failure.code === "store-unavailable") return send(reply, failure);
  const instance = `urn:uuid:${randomUUID()}`;
  log.error({ err: error, instance, method: request.method, path: withoutSecrets(request.url) }, "API");
  return send(reply, failure, instance);
}

/** Answers bytes that are no HTTP, or that come too slowly to be any, in the same shape. */
export function answerNonsense(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const failure =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? new Failure(408, "expected the rest of the request sooner")
      : new Failure(400, "expected an HTTP request");
  const body = JSON.stringify(detailsOf(failure));
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${failure.statusCode} ${STATUS_CODES[failure.statusCode]}\r\nContent-Type: ${PROBLEM_JSON}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function send(reply: FastifyReply, failure: Failure, instance?: string): FastifyReply {
  const details = detailsOf(failure, instance);
  return reply.code(failure.statusCode).headers(failure.headers).type(PROBLEM_JSON).send(details);
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  if (error instanceof StoreUnavailable)
    return new Failure("store-unavailable", error.message, { headers: { "retry-after": "1" } });
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  const isRefusal = status >= 400 && status < 500 && error instanceof Error;
  return isRefusal
    ? new Failure(status, error.message)
    : new Failure(500, "this node has made a mistake; its log says more");
}

function detailsOf({ statusCode, code, message, problems }: Failure, instance?: string): ProblemDetails {
  return {
    type: problemUrl(code),
    title: PROBLEMS[code].title,
    status: statusCode,
    detail: withoutSecrets(message),
    ...(instance === undefined ? {} : { instance }),
    code,
    ...(problems.length === 0 ? {} : { problems: problems.map(shown) }),
  };
}

function shown(problem: Problem): Problem {
  return { ...problem, message: withoutSecrets(problem.message) };
}

/** Where a code is explained. */
export function problemUrl(code: ProblemCode): string {
  return `/problems/${code}`;
}
