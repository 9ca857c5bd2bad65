/** What a gRPC probe says of servers with the standard health service, and without. */

import { createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import { probeGrpc } from "../../src/probe/grpc.ts";
import { listening, pem } from "./servers.ts";
import { grpcSpec, tls } from "./specs.ts";

const never = new AbortController().signal;
const SERVING = "0801";

type Serve = (stream: ServerHttp2Stream, request: string, path: string) => void;

async function opened(server: Http2Server, serve: Serve): Promise<number> {
  server.on("session", (session) => {
    session.on("error", () => {});
    onTestFinished(() => session.destroy());
  });
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    let request = "";
    stream.on("error", () => {});
    stream.on("data", (chunk: Buffer) => {
      request += chunk.toString("hex");
    });
    stream.on("end", () => serve(stream, request, String(headers[":path"])));
  });
  return listening(server);
}

/** A message with its prefix. */
function framed(message: string): Buffer {
  const octets = Buffer.from(message, "hex");
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(octets.length, 1);
  return Buffer.concat([prefix, octets]);
}

/** Answers with a message in hexadecimal digits, and a status behind it. */
function answering(message: string, status = "0"): Serve {
  return (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
    stream.end(framed(message));
  };
}

/** A response of headers alone. */
function headersOnly(headers: Record<string, string | number>): Serve {
  return (stream) => stream.respond({ ":status": 200, ...headers }, { endStream: true });
}

test.each([
  ["the whole server", "", "0000000000"],
  ["a service", "shop.Cart", "000000000b0a0973686f702e43617274"],
  ["a service with a long name", "x".repeat(200), `00000000cb0ac801${"78".repeat(200)}`],
])("asks Health/Check for %s", async (_, service, message) => {
  let seen: unknown;
  const port = await opened(createServer(), (stream, request, path) => {
    seen = { request, path };
    answering(SERVING)(stream, request, path);
  });
  const outcome = await probeGrpc("127.0.0.1", grpcSpec(port, { service }), 2_000, never);
  expect(outcome).toMatchObject({
    kind: "success",
    timings: { tlsMs: null, firstByteMs: expect.any(Number) },
  });
  expect(seen).toEqual({ request: message, path: "/grpc.health.v1.Health/Check" });
});

test("speaks TLS, with h2 agreed by ALPN", async () => {
  const server = createSecureServer({ cert: pem("good.pem"), key: pem("good.key") });
  const port = await opened(server, answering(SERVING));
  const asked = grpcSpec(port, { tls: { ...tls, insecure: true } });
  expect(await probeGrpc("127.0.0.1", asked, 2_000, never)).toMatchObject({
    kind: "success",
    timings: { tlsMs: expect.any(Number) },
  });
});

describe("a response", () => {
  test.each<[string, Serve, string, string]>([
    ["NOT_SERVING", answering("0802"), "status", "expected SERVING, got NOT_SERVING"],
    ["an empty message", answering(""), "status", "expected SERVING, got UNKNOWN"],
    ["a status of the future", answering("0809"), "status", "expected SERVING, got status 9"],
    [
      "an unknown service",
      headersOnly({ "grpc-status": "5", "grpc-message": "unknown service" }),
      "status",
      "expected SERVING, got gRPC status 5 unknown service",
    ],
    [
      "an error behind the message",
      answering(SERVING, "13"),
      "status",
      "expected SERVING, got gRPC status 13",
    ],
    ["a proxy's error", headersOnly({ ":status": 503 }), "status", "expected HTTP status 200, got 503"],
    ["no gRPC status", headersOnly({}), "protocol", "expected a gRPC status, got none"],
    ["half a message", answering("08"), "protocol", "cannot read the HealthCheckResponse"],
    ["a varint without end", answering("ff".repeat(20)), "protocol", "cannot read the HealthCheckResponse"],
    [
      "a field longer than the message",
      answering("12ff0108"),
      "protocol",
      "cannot read the HealthCheckResponse",
    ],
    [
      "a message too long",
      answering(`12ff7f${"00".repeat(20_000)}`),
      "protocol",
      "expected a response of at most 4096 octets, got more",
    ],
    [
      "a connection that is cut",
      (stream) => stream.session?.destroy(),
      "reset",
      "connection closed before the first byte of the response",
    ],
  ])("of %s is a failure of its class", async (_, serve, error, detail) => {
    const port = await opened(createServer(), serve);
    expect(await probeGrpc("127.0.0.1", grpcSpec(port), 2_000, never)).toMatchObject({ error, detail });
  });

  test("with fields that are not known is read past them", async () => {
    const port = await opened(createServer(), answering("1203616263180708012001"));
    expect(await probeGrpc("127.0.0.1", grpcSpec(port), 2_000, never)).toMatchObject({ kind: "success" });
  });

  test("that does not come times out", async () => {
    const port = await opened(createServer(), () => {});
    expect(await probeGrpc("127.0.0.1", grpcSpec(port), 200, never)).toMatchObject({ error: "timeout" });
  });
});
