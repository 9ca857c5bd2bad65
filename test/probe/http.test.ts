/** What an HTTP probe says of servers that work, and of every way in which they do not. */

import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { HttpExpectation } from "../../src/config/check.ts";
import { probeHttp } from "../../src/probe/http.ts";
import { closedPort, listen, listenTls, useTestCa } from "./servers.ts";
import { expecting, httpSpec, tls } from "./specs.ts";

const never = new AbortController().signal;

const okBody = (body: string): HttpExpectation => expecting({ codes: [[200, 299]], body });

/** Answers each request with `text` as it stands. */
function answering(...texts: readonly string[]): (socket: Socket) => void {
  return (socket) =>
    socket.once("data", async () => {
      for (const text of texts) {
        socket.write(text);
        await sleep(20);
      }
    });
}

describe("a request", () => {
  test("goes to the address with the check's method, path, host and headers, and asks to close", async () => {
    let seen = "";
    const port = await listen((socket) =>
      socket.once("data", (data) => {
        seen = data.toString();
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      }),
    );
    const asked = httpSpec(port, { method: "HEAD", path: "/a?b=c", headers: { "x-check": "yes" } });
    expect(await probeHttp("127.0.0.1", asked, 2_000, never)).toMatchObject({ kind: "success" });
    expect(seen.split("\r\n")).toEqual([
      "HEAD /a?b=c HTTP/1.1",
      "host: www.gslb.example",
      "user-agent: meridian",
      "accept: */*",
      "connection: close",
      "x-check: yes",
      "",
      "",
    ]);
  });

  test("names the VIP and its port when the check has no host", async () => {
    let seen = "";
    const port = await listen((socket) =>
      socket.once("data", (data) => {
        seen = data.toString();
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      }),
    );
    await probeHttp("127.0.0.1", httpSpec(port, { host: null }), 2_000, never);
    expect(seen).toContain(`host: 127.0.0.1:${port}\r\n`);
  });

  test("that cannot be sent fails as protocol", async () => {
    const port = await listen(() => {});
    const outcome = await probeHttp("127.0.0.1", httpSpec(port, { path: "/a b" }), 2_000, never);
    expect(outcome).toMatchObject({ error: "protocol", detail: expect.stringContaining("cannot send") });
  });

  test("leaves no connection behind", async () => {
    const closed = Promise.withResolvers<void>();
    const port = await listen((socket) => {
      socket.on("close", () => closed.resolve());
      answering("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")(socket);
    });
    await probeHttp("127.0.0.1", httpSpec(port), 2_000, never);
    await closed.promise;
  });
});

describe("a healthy server", () => {
  test.each([
    ["the expected code", ["HTTP/1.1 200 OK\r\n\r\n"], undefined],
    ["a code in the expected range", ["HTTP/1.1 204 No Content\r\n\r\n"], okBodyless(200, 299)],
    [
      "a redirect, when that is expected",
      ["HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"],
      okBodyless(302, 302),
    ],
    ["headers in pieces", ["HTT", "P/1.1 200 OK\r\nA: b\r", "\n\r\n"], undefined],
    ["the expected text", ["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokay"], okBody("ok")],
    ["the expected text in pieces", ["HTTP/1.1 200 OK\r\n\r\nall is w", "ell"], okBody("is well")],
    ["a letter of the text in pieces", ["HTTP/1.1 200 OK\r\n\r\ncaf\xc3", "\xa9"], okBody("café")],
    ["the text while the body goes on", ["HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nok"], okBody("ok")],
  ])("%s is a success", async (_, texts, expected) => {
    const port = await listen((socket) => {
      socket.setDefaultEncoding("latin1");
      answering(...texts)(socket);
    });
    const asked = httpSpec(port, expected === undefined ? {} : { expect: expected });
    const outcome = await probeHttp("127.0.0.1", asked, 2_000, never);
    expect(outcome).toMatchObject({ kind: "success", timings: { tlsMs: null } });
  });

  test("has its phases timed from the start of the probe", async () => {
    const port = await listen((socket) =>
      socket.once("data", async () => {
        await sleep(60);
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
      }),
    );
    const outcome = await probeHttp("127.0.0.1", httpSpec(port), 2_000, never);
    const { connectMs, firstByteMs } = outcome!.timings;
    expect(connectMs).toBeGreaterThan(0);
    expect(firstByteMs! - connectMs!).toBeGreaterThan(50);
  });
});

describe("a failing server", () => {
  const headers = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n";
  test.each<[string, (socket: Socket) => void, HttpExpectation | undefined, string, string]>([
    [
      "a wrong code",
      answering("HTTP/1.1 503 Busy\r\n\r\n"),
      expecting({
        codes: [
          [200, 204],
          [301, 301],
        ],
      }),
      "status",
      "expected 200 to 204 or 301, got 503",
    ],
    ["a redirect", answering("HTTP/1.1 302 Found\r\n\r\n"), undefined, "status", "expected 200, got 302"],
    [
      "a wrong body",
      answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsorry"),
      okBody("ok"),
      "body",
      'expected "ok" in the body, got "sorry"',
    ],
    [
      "a text that comes too late in a huge body",
      answering(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(65_536)}ok`),
      okBody("ok"),
      "body",
      `expected "ok" in the first 64 KiB, got "${"x".repeat(60)}"...`,
    ],
    ["no answer at all", () => {}, undefined, "timeout", "waited 200 ms for the first byte of the response"],
    [
      "headers that do not end",
      answering("HTTP/1.1 200 OK\r\nA: b\r\n"),
      undefined,
      "timeout",
      "waited 200 ms for the end of the headers",
    ],
    [
      "a body that does not end",
      answering(`${headers}sor`),
      okBody("ok"),
      "timeout",
      'waited 200 ms for "ok" in the body',
    ],
    [
      "a reset instead of an answer",
      (socket) => socket.once("data", () => socket.resetAndDestroy()),
      undefined,
      "reset",
      "connection reset before the first byte of the response",
    ],
    [
      "a close instead of an answer",
      (socket) => socket.once("data", () => socket.end()),
      undefined,
      "reset",
      "connection closed before the first byte of the response",
    ],
    [
      "a close within the body",
      (socket) => socket.once("data", () => socket.end(`${headers}sor`)),
      okBody("ok"),
      "reset",
      'connection closed before "ok" in the body',
    ],
    [
      "garbage",
      answering("SSH-2.0-OpenSSH_9.2\r\n"),
      undefined,
      "protocol",
      "Parse Error: Expected HTTP/, RTSP/ or ICE/",
    ],
    [
      "a greeting before the request",
      (socket) => socket.write("220 mail.example ESMTP\r\n"),
      undefined,
      "protocol",
      "Parse Error: Expected HTTP/, RTSP/ or ICE/",
    ],
    [
      "headers beyond all measure",
      answering(`HTTP/1.1 200 OK\r\nA: ${"b".repeat(100_000)}\r\n\r\n`),
      undefined,
      "protocol",
      "Parse Error: Header overflow",
    ],
  ])("%s is a failure of its class", async (_, serve, expected, error, detail) => {
    const port = await listen(serve);
    const asked = httpSpec(port, expected === undefined ? {} : { expect: expected });
    const outcome = await probeHttp("127.0.0.1", asked, error === "timeout" ? 200 : 5_000, never);
    expect(outcome).toMatchObject({ kind: "failure", error, detail });
    expect(outcome!.timings.connectMs).toBeGreaterThan(0);
  });

  test("a closed port is refused", async () => {
    expect(await probeHttp("127.0.0.1", httpSpec(await closedPort()), 2_000, never)).toEqual({
      kind: "failure",
      error: "refused",
      detail: "connection refused",
      timings: { connectMs: null, tlsMs: null, firstByteMs: null, totalMs: expect.any(Number) },
    });
  });

  test("bytes that trickle in do not stretch the timeout", async () => {
    const port = await listen((socket) =>
      socket.once("data", async () => {
        socket.write("HTTP/1.1 200 OK\r\n");
        while (!socket.destroyed) {
          socket.write("A: b\r\n");
          await sleep(20);
        }
      }),
    );
    const startedAtMs = performance.now();
    const outcome = await probeHttp("127.0.0.1", httpSpec(port), 150, never);
    expect(outcome).toMatchObject({ error: "timeout" });
    expect(performance.now() - startedAtMs).toBeLessThan(1_000);
  });
});

describe("a probe that is given up", () => {
  test("says nothing of the VIP and closes its connection", async () => {
    const stop = new AbortController();
    const closed = Promise.withResolvers<void>();
    const port = await listen((socket) => {
      socket.on("close", () => closed.resolve());
      stop.abort();
    });
    expect(await probeHttp("127.0.0.1", httpSpec(port), 2_000, stop.signal)).toBeNull();
    await closed.promise;
  });

  test("before it began is not made", async () => {
    expect(await probeHttp("127.0.0.1", httpSpec(await closedPort()), 2_000, AbortSignal.abort())).toBeNull();
  });
});

describe("with TLS", () => {
  useTestCa();

  const serve = answering("HTTP/1.1 200 OK\r\n\r\n");

  test("a good certificate is a success, and the handshake is timed", async () => {
    const port = await listenTls("good", serve);
    const outcome = await probeHttp("127.0.0.1", httpSpec(port, { tls }), 2_000, never);
    expect(outcome?.kind).toBe("success");
    const { connectMs, tlsMs, firstByteMs } = outcome!.timings;
    expect(connectMs).toBeLessThan(tlsMs!);
    expect(tlsMs).toBeLessThan(firstByteMs!);
  });

  test("a certificate for the VIP's address is good when the check has no host", async () => {
    const port = await listenTls("good", serve);
    const asked = httpSpec(port, { tls, host: null });
    expect(await probeHttp("127.0.0.1", asked, 2_000, never)).toMatchObject({ kind: "success" });
  });

  test.each([
    ["expired", "www.gslb.example", /certificate has expired/],
    ["stranger", "www.gslb.example", /self-signed certificate/],
    ["other", "www.gslb.example", /Host: www.gslb.example. is not in the cert's altnames: DNS:other.example/],
    ["other", null, /IP: 127.0.0.1 is not in the cert's list/],
  ])("the certificate '%s' for %s fails, unless the check is insecure", async (certificate, host, detail) => {
    const port = await listenTls(certificate, serve);
    const asked = httpSpec(port, { tls, host });
    const outcome = await probeHttp("127.0.0.1", asked, 2_000, never);
    expect(outcome).toMatchObject({ error: "certificate", detail: expect.stringMatching(detail) });
    const outcomeInsecure = await probeHttp(
      "127.0.0.1",
      { ...asked, tls: { ...tls, insecure: true } },
      2_000,
      never,
    );
    expect(outcomeInsecure).toMatchObject({ kind: "success" });
  });

  test("a server that speaks no TLS fails as tls", async () => {
    const port = await listen((socket) => socket.once("data", () => socket.write("HTTP/1.1 400 No\r\n\r\n")));
    const outcome = await probeHttp("127.0.0.1", httpSpec(port, { tls }), 2_000, never);
    expect(outcome).toMatchObject({ error: "tls", detail: "wrong version number" });
  });

  test("a server that never finishes the handshake times out", async () => {
    const port = await listen(() => {});
    const outcome = await probeHttp("127.0.0.1", httpSpec(port, { tls }), 200, never);
    expect(outcome).toMatchObject({
      error: "timeout",
      detail: "waited 200 ms for the end of the TLS handshake",
    });
  });

  test("a server that closes during the handshake resets", async () => {
    const port = await listen((socket) => socket.once("data", () => socket.end()));
    const outcome = await probeHttp("127.0.0.1", httpSpec(port, { tls }), 2_000, never);
    expect(outcome).toMatchObject({
      error: "reset",
      detail: "connection closed before the end of the TLS handshake",
    });
  });
});

function okBodyless(first: number, last: number): HttpExpectation {
  return expecting({ codes: [[first, last]] });
}
