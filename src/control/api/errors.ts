/** The one shape of everything that goes wrong: `{ error: { code, message, problems? } }`. */

import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { Problem } from "../../problem.ts";
import type { Api } from "./api.ts";

/** The body of every response that is no success. */
export interface ErrorBody {
  readonly error: {
    /** For programs: one word or two for each status. */
    readonly code: string;
    /** For people. */
    readonly message: string;
    /** Everything that is wrong with what was sent, or with the files that were to be loaded. */
    readonly problems?: readonly Problem[];
  };
}

/** What `code` says for each status. */
const CODES: Readonly<Record<number, string>> = {
  400: "bad-request",
  401: "unauthenticated",
  403: "forbidden",
  404: "not-found",
  409: "taken",
  412: "version-conflict",
  413: "too-large",
  414: "too-large",
  415: "unsupported-media-type",
  422: "refused",
  426: "upgrade-required",
  429: "too-many-requests",
  500: "internal",
};

/** Thrown by a route that cannot do what it was asked for. */
export class Failure extends Error {
  readonly statusCode: number;
  readonly problems: readonly Problem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    statusCode: number,
    message: string,
    more: {
      readonly problems?: readonly Problem[];
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message);
    this.statusCode = statusCode;
    this.problems = more.problems ?? [];
    this.headers = more.headers ?? {};
  }
}

/** A mistake in a request, which has no file and no line. */
export function inRequest(message: string): Problem {
  return { file: "request", line: 0, column: 0, message };
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
  if (failure.statusCode >= 500) log.error({ err: error, method: request.method, path: request.url }, "API");
  return send(reply, failure);
}

/** Answers bytes that are no HTTP, in the same shape. */
export function answerNonsense(socket: Socket): void {
  if (!socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify(bodyOf(new Failure(400, "expected an HTTP request")));
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 400 ${STATUS_CODES[400]}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function send(reply: FastifyReply, failure: Failure): FastifyReply {
  return reply.code(failure.statusCode).headers(failure.headers).send(bodyOf(failure));
}

function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  const isRefusal = status >= 400 && status < 500 && error instanceof Error;
  return isRefusal
    ? new Failure(status, error.message)
    : new Failure(500, "this node has made a mistake; its log says more");
}

function bodyOf({ statusCode, message, problems }: Failure): ErrorBody {
  const code = CODES[statusCode] ?? "bad-request";
  return { error: { code, message, ...(problems.length === 0 ? {} : { problems }) } };
}
