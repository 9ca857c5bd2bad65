/** A gRPC probe: the standard health service, asked with a message that is put together by hand. */

import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { GrpcProbeSpec } from "../config/check.ts";
import type { Outcome } from "../health/report.ts";
import { Attempt } from "./attempt.ts";
import { authorityOf, openConnection } from "./connection.ts";
import { openStream } from "./http2.ts";

/** Octets of a response; a HealthCheckResponse has two. */
const RESPONSE_OCTETS_MAX = 4_096;

/** `grpc.health.v1.HealthCheckResponse.ServingStatus`, by number. */
const statuses = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING = 1;

/** Calls `grpc.health.v1.Health/Check`; null when the probe was given up (see `Attempt.outcome`). */
export function probeGrpc(
  address: string,
  spec: GrpcProbeSpec,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Outcome | null> {
  const attempt = new Attempt("a connection", timeoutMs, signal);
  openConnection(attempt, address, spec, ["h2"], "the first byte of the response", (socket) => {
    const stream = openStream(attempt, socket, authorityOf(address, spec), {
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": "meridian",
      "grpc-timeout": `${Math.ceil(timeoutMs)}m`,
    });
    if (stream === null) return;
    receive(attempt, stream);
    stream.end(messageOf(requestFor(spec.service)));
  });
  return attempt.outcome;
}

/** Takes the response: headers, one message, trailers; an error may come as headers alone ("Trailers-Only"). */
function receive(attempt: Attempt, stream: ClientHttp2Stream): void {
  let octets = Buffer.alloc(0);
  let code = 0;
  let trailers: IncomingHttpHeaders = {};
  stream.once("response", (headers) => {
    attempt.reached("firstByteMs", "the end of the response");
    code = headers[":status"] ?? 0;
    trailers = headers;
  });
  stream.once("trailers", (headers) => {
    trailers = headers;
  });
  stream.on("data", (chunk: Buffer) => {
    octets = Buffer.concat([octets, chunk]);
    if (octets.length > RESPONSE_OCTETS_MAX) {
      attempt.fail("protocol", `expected a response of at most ${RESPONSE_OCTETS_MAX} octets, got more`);
    }
  });
  stream.once("end", () => judge(attempt, code, trailers, octets));
}

function judge(attempt: Attempt, code: number, trailers: IncomingHttpHeaders, octets: Buffer): void {
  const { "grpc-status": grpcStatus, "grpc-message": grpcMessage } = trailers;
  if (code === 0) attempt.closed();
  else if (code !== 200) attempt.fail("status", `expected HTTP status 200, got ${code}`);
  else if (grpcStatus === undefined) attempt.fail("protocol", "expected a gRPC status, got none");
  else if (grpcStatus !== "0") {
    attempt.fail("status", `expected SERVING, got gRPC status ${grpcStatus} ${grpcMessage ?? ""}`.trimEnd());
  } else {
    const status = servingStatus(octets);
    if (status === SERVING) attempt.succeed();
    else if (status === null) attempt.fail("protocol", "cannot read the HealthCheckResponse");
    else attempt.fail("status", `expected SERVING, got ${statuses[status] ?? `status ${status}`}`);
  }
}

/** `HealthCheckRequest { string service = 1 }`; a name has at most 255 octets, so its length takes two at most. */
function requestFor(service: string): Buffer {
  const name = Buffer.from(service, "ascii");
  if (name.length === 0) return name;
  const length = name.length < 0x80 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** A message with its five octets before it: not compressed, and its length. */
function messageOf(message: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** The `status = 1` of a HealthCheckResponse, 0 where it is left out; null: it is none. */
function servingStatus(octets: Buffer): number | null {
  if (octets.length < 5 || octets[0] !== 0 || octets.readUInt32BE(1) !== octets.length - 5) return null;
  let status = 0;
  let at = 5;
  const varint = (): number | null => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const octet = octets[at];
      if (octet === undefined) return null;
      at += 1;
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    return null;
  };
  while (at < octets.length) {
    const tag = varint();
    const value = tag === null ? null : varint();
    if (tag === null || value === null) return null;
    // What a later version of the message may add has a wire type that says how long it is.
    if (tag === 0x08) status = value;
    else if ((tag & 7) === 2) at += value;
    else if ((tag & 7) !== 0) return null;
  }
  return at === octets.length ? status : null;
}
