import { once } from "node:events";
import { type ClientHttp2Session, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { request } from "node:https";
import { connect as connectTcp } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import type { TlsFiles } from "../../src/config/node.ts";
import type { ConnectionLimits } from "../../src/serve/connections.ts";
import type { CounterName } from "../../src/telemetry/counters.ts";
import { parsePrefix } from "../../src/wire/address.ts";
import { certificateOf, HAS_OPENSSL, makeCertificate } from "./certificates.ts";
import { closeAfterwards, type StartedStreams, startStreams } from "./streams.ts";
import { Command } from "./toy-responder.ts";
import { endpoint, query } from "./udp-client.ts";
import { until } from "./until.ts";

interface Started extends StartedStreams {
  readonly port: number;
  readonly files: TlsFiles;
}

/** A server to which 127.0.0.2 is a load balancer. */
async function start(limits: Partial<ConnectionLimits> = {}): Promise<Started> {
  const files = makeCertificate();
  const started = await startStreams({
    https: { ...files, endpoints: [endpoint("127.0.0.1")], path: "/dns-query" },
    proxies: [parsePrefix("127.0.0.2/32")!],
    limits,
  });
  return { ...started, files, port: started.server.addresses(Transport.Https)[0]!.port };
}

function dial({ port, files }: Started): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${port}`, { ca: certificateOf(files) });
  session.on("error", () => {});
  closeAfterwards(session);
  return session;
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** One request over HTTP/2. */
async function fetch2(
  session: ClientHttp2Session,
  headers: Readonly<Record<string, string>>,
  body?: Buffer,
): Promise<Reply> {
  const stream = session.request(headers, { endStream: body === undefined });
  const chunks: Buffer[] = [];
  stream.on("error", () => {});
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (body !== undefined) stream.end(body);
  const [received] = await once(stream, "response");
  if (!stream.readableEnded) await once(stream, "end");
  return { status: received[":status"], headers: received, body: Buffer.concat(chunks) };
}

function get(parameters: string, path = "/dns-query"): Record<string, string> {
  return { ":path": `${path}${parameters}`, accept: "application/dns-message" };
}

function post(type: string | null = "application/dns-message"): Record<string, string> {
  return { ":method": "POST", ":path": "/dns-query", ...(type === null ? {} : { "content-type": type }) };
}

function parameter(packet: Buffer): string {
  return `?dns=${packet.toString("base64url")}`;
}

describe.skipIf(!HAS_OPENSSL)("DNS over HTTPS (RFC 8484) (needs openssl)", () => {
  test.each([
    ["GET (§4.1)", get(parameter(query(0, Command.Client))), undefined],
    ["POST (§4.1)", post(), query(0, Command.Client)],
    [
      "POST with a parameter of the type, and other letters",
      post("Application/DNS-Message; a=b"),
      query(0, Command.Client),
    ],
    ["GET with other parameters", get(`${parameter(query(0, Command.Client))}&other=1`), undefined],
  ])("answers %s", async (_what, headers, body) => {
    const started = await start();
    const reply = await fetch2(dial(started), headers, body);
    expect(reply.status).toBe(200);
    expect(reply.headers["content-type"]).toBe("application/dns-message");
    expect(reply.headers["content-length"]).toBe(String(reply.body.length));
    expect([...reply.body.subarray(2, 3), ...reply.body.subarray(13)]).toEqual([0x80, 4, 127, 0, 0, 1]);
    expect([started.counted("https200"), started.counted("queriesHttps")]).toEqual([1, 1]);
    expect(started.counted("connectionsHttps")).toBe(1);
  });

  test.each([
    ["400 without a query", get(""), undefined, 400],
    ["400 with two", get(`${parameter(query(0, 0))}&dns=AAAA`), undefined, 400],
    ["400 with padding (§6)", get(`${parameter(query(0, 0))}=`), undefined, 400],
    ["400 with base64 of another alphabet (§6)", get("?dns=AAAB+A%2FA"), undefined, 400],
    ["400 with a length that base64 cannot have", get("?dns=AAAAA"), undefined, 400],
    ["400 with less than a header", get("?dns=AAAA"), undefined, 400],
    ["400 with less than a header in a body", post(), Buffer.alloc(11), 400],
    ["400 with what gets no answer", post(), query(0, Command.Silence), 400],
    ["404 elsewhere", get(parameter(query(0, 0)), "/"), undefined, 404],
    ["404 below the path", get(parameter(query(0, 0)), "/dns-query/"), undefined, 404],
    ["405 to PUT", { ...post(), ":method": "PUT" }, query(0, 0), 405],
    ["413 with a body that is too long", post(), Buffer.alloc(2_049), 413],
    ["414 with a parameter that is too long", get(`?dns=${"A".repeat(2_732)}`), undefined, 414],
    ["415 with another type", post("application/dns-json"), query(0, 0), 415],
    ["415 without a type", post(null), query(0, 0), 415],
  ])("says %s, and the connection goes on", async (_what, headers, body, status) => {
    const started = await start();
    const session = dial(started);
    const reply = await fetch2(session, headers, body);
    expect([reply.status, reply.body.length]).toEqual([status, 0]);
    expect(reply.headers["cache-control"]).toBe("no-store");
    if (status === 405) expect(reply.headers["allow"]).toBe("GET, POST");
    expect(started.counted(`https${status}` as CounterName)).toBe(1);
    expect((await fetch2(session, post(), query(0, 0))).status).toBe(200);
  });

  test("the longest query there may be is answered by GET and POST", async () => {
    const session = dial(await start());
    const longest = Buffer.concat([query(0, Command.Echo), Buffer.alloc(2_048 - 13)]);
    expect((await fetch2(session, get(parameter(longest)))).body.length).toBe(2_048);
    expect((await fetch2(session, post(), longest)).body.length).toBe(2_048);
  });

  test("500 requests on one connection are answered", async () => {
    const session = dial(await start());
    const all = Array.from({ length: 500 }, (_, id) => fetch2(session, post(), query(id, Command.Echo)));
    const replies = await Promise.all(all);
    expect(replies.map(({ body }) => body.readUInt16BE(0))).toEqual(Array.from(replies.keys()));
  });

  test("a client without HTTP/2 is answered over HTTP/1.1", async () => {
    const { port, files } = await start();
    const sent = request({
      ...{ host: "127.0.0.1", port, path: "/dns-query", method: "POST", ca: certificateOf(files) },
      headers: { "content-type": "application/dns-message" },
    });
    sent.end(query(9, Command.Client));
    const [response] = await once(sent, "response");
    expect([response.httpVersion, response.statusCode]).toEqual(["1.1", 200]);
    const [body] = await once(response, "data");
    expect([...body.subarray(13)]).toEqual([4, 127, 0, 0, 1]);
  });
});

describe.skipIf(!HAS_OPENSSL)("limits of connections with HTTPS (needs openssl)", () => {
  test("a body that never ends is refused, and closed with its connection", async () => {
    const { port, files, counted } = await start({ idleTimeoutMs: 300 });
    const sent = request({
      ...{ host: "127.0.0.1", port, path: "/dns-query", method: "POST", ca: certificateOf(files) },
      headers: { "content-type": "application/dns-message" },
    });
    sent.on("error", () => {});
    sent.write(Buffer.alloc(100));
    await new Promise((resolve) => sent.once("close", resolve));
    await until(() => counted("connectionsOpen") === 0);
  });

  test("an idle session is told with GOAWAY (RFC 9113 §6.8)", async () => {
    const session = dial(await start({ idleTimeoutMs: 300 }));
    expect((await fetch2(session, post(), query(1, 0))).status).toBe(200);
    const codes: number[] = [];
    session.on("goaway", (code) => codes.push(code));
    await until(() => session.destroyed);
    expect(codes).toEqual([constants.NGHTTP2_NO_ERROR]);
  });

  test("headers may take 8 KiB, and with more the request is refused, and others on the connection are not", async () => {
    const session = dial(await start());
    const long = (octets: number): Record<string, string> => ({ ...post(), "x-long": "z".repeat(octets) });
    expect((await fetch2(session, long(7_000), query(1, 0))).status).toBe(200);
    const refused = session.request(long(9_000));
    refused.end(query(1, 0));
    await expect(once(refused, "response")).rejects.toThrow(/ENHANCE_YOUR_CALM/);
    expect((await fetch2(session, post(), query(1, 0))).status).toBe(200);
  });

  test("requests that are broken off at once, a thousand of them, disturb nobody", async () => {
    const started = await start();
    const hostile = dial(started);
    await once(hostile, "connect");
    for (let i = 0; i < 1_200 && !hostile.closed && !hostile.destroyed; i += 1) {
      const stream = hostile.request(post());
      stream.on("error", () => {});
      stream.close(constants.NGHTTP2_CANCEL);
      if (i % 50 === 0) await sleep(1);
    }
    expect((await fetch2(dial(started), post(), query(1, 0))).status).toBe(200);
  });

  test("a PROXY header says whose limits count, and who asks", async () => {
    const started = await start();
    const raw = connectTcp({ host: "127.0.0.1", port: started.port, localAddress: "127.0.0.2" });
    raw.write(Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c6336435c0300035", "hex"));
    const { port, files } = started;
    const session = connect(`https://127.0.0.1:${port}`, { ca: certificateOf(files), socket: raw } as object);
    closeAfterwards(session);
    session.on("error", () => {});
    const { body } = await fetch2(session, post(), query(1, Command.Client));
    expect([...body.subarray(13)]).toEqual([4, 192, 0, 2, 1]);
  });

  test("stopping sends what is answered and closes the sessions", async () => {
    const started = await start();
    const session = dial(started);
    await fetch2(session, post(), query(1, 0));
    await started.server.stop();
    await until(() => session.closed);
  });
});
