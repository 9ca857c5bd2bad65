/** DNS over HTTPS (RFC 8484), HTTP/2 and HTTP/1.1, upon connections that a listener has accepted. */

import type { IncomingMessage, ServerResponse } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import type { Client } from "../answer/client.ts";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { headerLength, messageLengthMax } from "../wire/format.ts";
import { lifetimeSeconds } from "../wire/lifetime.ts";
import { Packet } from "../wire/packet.ts";
import type { Connections } from "./connections.ts";
import { QUERY_OCTETS_MAX } from "./stream.ts";
import { afterHandshakes } from "./tls.ts";

/** How HTTPS is served. */
export interface HttpsService {
  readonly connections: Connections;
  /** Where queries are taken, as in `/dns-query`. */
  readonly path: string;
  /** Does not throw. */
  readonly answer: Answer;
  readonly counters: Float64Array;
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** The statuses that there are (RFC 9110 §15), with their counters. */
const STATUSES = {
  200: Counter.https200,
  400: Counter.https400,
  404: Counter.https404,
  405: Counter.https405,
  413: Counter.https413,
  414: Counter.https414,
  415: Counter.https415,
} as const;
type Refusal = Exclude<keyof typeof STATUSES, 200>;

const MEDIA_TYPE = "application/dns-message";
/** Base64url makes four characters of three octets (RFC 4648 §5). */
const PARAMETER_LENGTH_MAX = Math.ceil((QUERY_OCTETS_MAX * 4) / 3);
/** Requests of one connection at a time: a query takes microseconds, so more of them are not under way but waiting. */
const STREAMS_MAX = 100;
/** What headers may take, twice the longest query in a URL. */
const HEADER_OCTETS_MAX = 8 * 1024;

/** All queries are answered in here, one at a time. */
const packet = new Packet(new Uint8Array(messageLengthMax));

/** A server that listens nowhere and has no certificate yet. Nothing of what it is asked is logged (RFC 8484 §8.1). */
export function createHttpsServer(service: HttpsService): Http2SecureServer {
  const { connections, counters } = service;
  const server = createSecureServer(
    {
      allowHTTP1: true,
      settings: {
        enablePush: false,
        maxConcurrentStreams: STREAMS_MAX,
        maxHeaderListSize: HEADER_OCTETS_MAX,
      },
      // In MB: what one connection may make us keep.
      maxSessionMemory: 1,
    },
    (request: Request, response: Response) => take(service, request, response),
  );
  afterHandshakes(server, connections, counters, (connection, stream) => {
    count(counters, Counter.connectionsHttps);
    // The session of HTTP/2 has begun already, and ends by itself.
    if (stream.alpnProtocol !== "h2") connection.end = () => stream.end();
  });
  server.on("session", (session) => {
    const connection = connections.find(session.socket);
    // GOAWAY tells which requests are answered (RFC 9113 §6.8).
    if (connection !== null) connection.end = () => session.goaway();
  });
  return server;
}

/** Takes a request; it is answered when its query is whole. */
function take(service: HttpsService, request: Request, response: Response): void {
  request.on("error", () => {}); // Broken off by the client.
  response.on("error", () => {});
  const { path, parameters } = split(request.url ?? "");
  if (path !== service.path) refuse(service, request, response, 404);
  else if (request.method === "GET") takeParameter(service, request, response, parameters);
  else if (request.method === "POST") takeBody(service, request, response);
  else refuse(service, request, response, 405);
}

/** The query in the parameter `dns`, in base64url without padding (RFC 8484 §4.1, §6). */
function takeParameter(
  service: HttpsService,
  request: Request,
  response: Response,
  parameters: string,
): void {
  const [text, ...others] = new URLSearchParams(parameters).getAll("dns");
  if (text === undefined || others.length > 0 || !/^[\w-]*$/.test(text) || text.length % 4 === 1)
    refuse(service, request, response, 400);
  else if (text.length > PARAMETER_LENGTH_MAX) refuse(service, request, response, 414);
  else reply(service, request, response, Buffer.from(text, "base64url"));
}

function takeBody(service: HttpsService, request: Request, response: Response): void {
  const [mediaType = ""] = (request.headers["content-type"] ?? "").split(";");
  if (mediaType.trim().toLowerCase() !== MEDIA_TYPE) {
    refuse(service, request, response, 415);
    return;
  }
  let body: Buffer = Buffer.alloc(0);
  request.on("data", (chunk: Buffer) => {
    if (response.headersSent) return;
    if (body.length + chunk.length > QUERY_OCTETS_MAX) refuse(service, request, response, 413);
    else body = Buffer.concat([body, chunk]);
  });
  request.on("end", () => {
    if (!response.headersSent) reply(service, request, response, body);
  });
}

function reply(service: HttpsService, request: Request, response: Response, query: Buffer): void {
  const connection = service.connections.find(request.socket);
  if (connection === null) {
    request.destroy();
    return;
  }
  const length = query.length < headerLength ? 0 : answerOf(service, query, connection.client);
  // Also what is a response itself: over UDP it would get none.
  if (length === 0) {
    refuse(service, request, response, 400);
    return;
  }
  service.connections.use(connection);
  send(service, response, 200, {
    "content-type": MEDIA_TYPE,
    "content-length": length,
    "cache-control": cacheControlOf(length),
  }).end(Buffer.copyBytesFrom(packet.octets, 0, length));
}

function answerOf({ answer }: HttpsService, query: Buffer, client: Client): number {
  packet.octets.set(query);
  return answer(packet, query.length, client, Transport.Https, Math.trunc(Date.now() / 1000));
}

/** RFC 8484 §5.1. Private, because another client of a shared cache may be steered elsewhere. */
function cacheControlOf(length: number): string {
  const seconds = lifetimeSeconds(packet.octets, length);
  return seconds === null ? "no-store" : `private, max-age=${seconds}`;
}

function refuse(service: HttpsService, request: Request, response: Response, status: Refusal): void {
  const allow = status === 405 ? { allow: "GET, POST" } : {};
  send(service, response, status, { "cache-control": "no-store", "content-length": 0, ...allow }).end();
  // What it still sends is not wanted (RFC 9113 §8.1).
  if (request instanceof Http2ServerRequest) response.once("finish", () => request.stream.close());
  else request.resume();
}

function send(
  { counters }: HttpsService,
  response: Response,
  status: keyof typeof STATUSES,
  headers: Readonly<Record<string, string | number>>,
): Response {
  count(counters, STATUSES[status]);
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  return response;
}

function split(url: string): { readonly path: string; readonly parameters: string } {
  const mark = url.indexOf("?");
  return mark < 0
    ? { path: url, parameters: "" }
    : { path: url.slice(0, mark), parameters: url.slice(mark + 1) };
}
