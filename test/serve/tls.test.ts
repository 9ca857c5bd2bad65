import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import { connect as connectTcp, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import type { TlsFiles } from "../../src/config/node.ts";
import type { ConnectionLimits } from "../../src/serve/connections.ts";
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
async function start(limits: Partial<ConnectionLimits> = {}, address = "127.0.0.1"): Promise<Started> {
  const files = makeCertificate();
  const started = await startStreams({
    tls: { ...files, endpoints: [endpoint(address)] },
    proxies: [parsePrefix("127.0.0.2/32")!],
    limits,
  });
  return { ...started, files, port: started.server.addresses(Transport.Tls)[0]!.port };
}

/** Connects with the certificate as the only one that is trusted; resolves after the handshake. */
async function dial(
  { port, files }: Pick<Started, "port" | "files">,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, ca: certificateOf(files), ...options });
  closeAfterwards(socket);
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
}

function framed(...queries: readonly Buffer[]): Buffer {
  return Buffer.concat(queries.flatMap((each) => [Buffer.from([0, each.length]), each]));
}

/** Sends a query and returns the reply without its length. */
async function ask(socket: TLSSocket, packet: Buffer): Promise<Buffer> {
  socket.write(framed(packet));
  const [reply] = await once(socket, "data");
  return reply.subarray(2);
}

describe.skipIf(!HAS_OPENSSL)("DNS over TLS (RFC 7858) (needs openssl)", () => {
  test.each(["127.0.0.1", "::1"])("answers at %s, and knows who asks", async (host) => {
    const started = await start({}, host);
    const socket = await dial(started, { host });
    const reply = await ask(socket, query(7, Command.Client));
    expect([...reply.subarray(0, 3), reply[13]]).toEqual([0, 7, 0x80, host === "::1" ? 6 : 4]);
    expect(started.counted("queriesTls")).toBe(1);
    expect(started.counted("connectionsTls")).toBe(1);
    expect(started.counted("tlsCertificateEnd")! - Date.now() / 1000).toBeGreaterThan(29 * 86_400);
  });

  test("300 pipelined queries are answered in their order (RFC 7858 §3.3, RFC 7766 §6.2.1.1)", async () => {
    const socket = await dial(await start());
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    socket.write(framed(...Array.from({ length: 300 }, (_, id) => query(id, Command.Echo))));
    await until(() => received.length === 300 * 15);
    const ids = Array.from({ length: 300 }, (_, i) => received.readUInt16BE(i * 15 + 2));
    expect(ids).toEqual(Array.from(ids.keys()));
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("speaks %s", async (version) => {
    const socket = await dial(await start(), { minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    expect((await ask(socket, query(1, Command.Echo))).length).toBe(13);
  });

  test("does not speak TLS 1.1 (RFC 8996 §5)", async () => {
    const started = await start();
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    await expect(dial(started, old)).rejects.toThrow();
    await until(() => started.counted("tlsFailures") === 1);
  });

  test.each([
    [["dot"], "dot"],
    [[], false],
  ])("of the protocols %j takes %s (RFC 7858 §3.1)", async (ALPNProtocols, taken) => {
    expect((await dial(await start(), { ALPNProtocols })).alpnProtocol).toBe(taken);
  });

  test("a client that speaks only another protocol is refused (RFC 7301 §3.2)", async () => {
    const started = await start();
    await expect(dial(started, { ALPNProtocols: ["h2"] })).rejects.toThrow(/no application protocol/i);
  });

  test("a session is resumed with its ticket (RFC 7858 §3.4)", async () => {
    const started = await start();
    const first = await dial(started, { maxVersion: "TLSv1.2" });
    const session = first.getSession()!;
    await ask(first, query(1, Command.Echo));
    first.destroy();
    const second = await dial(started, { maxVersion: "TLSv1.2", session });
    expect(second.isSessionReused()).toBe(true);
  });

  test("what is no TLS, and a handshake that is broken off, are counted and end", async () => {
    const started = await start();
    const plain = connectTcp(started.port, "127.0.0.1");
    plain.on("error", () => {});
    plain.resume().write(framed(query(1, Command.Echo)));
    await once(plain, "close");
    const half = connectTcp(started.port, "127.0.0.1");
    half.write(Buffer.from("160301020001", "hex"));
    await sleep(20);
    half.destroy();
    await until(() => started.counted("tlsFailures") === 2 && started.counted("connectionsOpen") === 0);
    expect(started.counted("connectionsTls")).toBe(0);
  });

  test("a bad length ends the connection once what came before it is answered", async () => {
    const socket = await dial(await start());
    socket.write(Buffer.concat([framed(query(1, Command.Echo)), Buffer.from([0xff, 0xff])]));
    const [reply] = await once(socket, "data");
    expect(reply.length).toBe(15);
    await once(socket, "end");
  });
});

describe.skipIf(!HAS_OPENSSL)("limits of connections with TLS (needs openssl)", () => {
  test("a handshake that does not come to its end is closed in time", async () => {
    const { port, counted } = await start({ idleTimeoutMs: 200 });
    const silent = connectTcp(port, "127.0.0.1");
    const slow = connectTcp(port, "127.0.0.1");
    for (const socket of [silent, slow]) {
      closeAfterwards(socket);
      socket.on("error", () => {});
    }
    slow.write(Buffer.from("1603010200", "hex"));
    await Promise.all([once(silent.resume(), "close"), once(slow.resume(), "close")]);
    await until(() => counted("connectionsOpen") === 0);
  });

  test("handshakes may be a quarter of the connections, and one more ends the one that has taken longest", async () => {
    const started = await start({ maxConnections: 8 });
    const { port, counted } = started;
    const settled = await dial(started);
    const halves: Socket[] = [];
    const closed: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      const half = connectTcp(port, "127.0.0.1");
      closeAfterwards(half);
      half.on("error", () => {});
      half.resume().on("close", () => closed.push(i));
      half.write(Buffer.from("1603010200", "hex"));
      halves.push(half);
      await until(() => counted("connectionsOpen") === Math.min(2 + i, 3));
    }
    await until(() => closed.length === 2);
    expect(closed).toEqual([0, 1]);
    expect(counted("connectionsRefused")).toBe(2);
    expect((await ask(settled, query(1, Command.Echo))).length).toBe(13);
    expect((await ask(await dial(started), query(1, Command.Echo))).length).toBe(13);
  });

  test("handshakes that are done count no more as handshakes", async () => {
    const started = await start({ maxConnections: 8 });
    const all = await Promise.all(Array.from({ length: 2 }, () => dial(started)));
    for (let i = 0; i < 5; i += 1) all.push(await dial(started));
    for (const socket of all) expect((await ask(socket, query(1, Command.Echo))).length).toBe(13);
  });

  test("an idle connection is told that it is over (RFC 7858 §3.4)", async () => {
    const socket = await dial(await start({ idleTimeoutMs: 200 }));
    await once(socket.resume(), "end");
  });

  test("are for each client, whatever it speaks", async () => {
    const started = await start({ maxConnectionsPerClient: 2 });
    await dial(started);
    await dial(started);
    await expect(dial(started)).rejects.toThrow();
    const raw = connectTcp({ host: "127.0.0.1", port: started.port, localAddress: "127.0.0.3" });
    expect((await dial(started, { socket: raw, servername: "dns.test" })).authorized).toBe(true);
  });

  test("a client that does not read is not answered on", async () => {
    const started = await start();
    const deaf = await dial(started);
    deaf.pause();
    deaf.write(framed(...Array.from({ length: 2_000 }, (_, id) => query(id, Command.Grow, 0x40, 0))));
    await sleep(200);
    const answered = started.counted("queriesTls")!;
    expect(answered).toBeLessThan(1_500);
    expect((await ask(await dial(started), query(1, Command.Echo))).length).toBe(13);
  });
});

describe.skipIf(!HAS_OPENSSL)("a PROXY header before TLS (needs openssl)", () => {
  test("says who asks", async () => {
    const started = await start();
    const raw = connectTcp({ host: "127.0.0.1", port: started.port, localAddress: "127.0.0.2" });
    closeAfterwards(raw);
    raw.write(Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c6336435c0300035", "hex"));
    const socket = await dial(started, { socket: raw, servername: "dns.test" });
    const reply = await ask(socket, query(1, Command.Client));
    expect([...reply.subarray(13)]).toEqual([4, 192, 0, 2, 1]);
  });

  test("may come in one piece with the first handshake message", async () => {
    const started = await start();
    const raw = connectTcp({ host: "127.0.0.1", port: started.port, localAddress: "127.0.0.2" });
    closeAfterwards(raw);
    raw.cork();
    raw.write(Buffer.from("0d0a0d0a000d0a515549540a2111000cc0000201c6336435c0300035", "hex"));
    const dialled = dial(started, { socket: raw, servername: "dns.test" });
    setImmediate(() => raw.uncork());
    const reply = await ask(await dialled, query(1, Command.Client));
    expect([...reply.subarray(13)]).toEqual([4, 192, 0, 2, 1]);
  });
});

describe.skipIf(!HAS_OPENSSL)("a certificate that changes (needs openssl)", () => {
  test("is used for new connections, and open ones go on", async () => {
    const started = await start();
    const old = await dial(started);
    const before = old.getPeerX509Certificate()!.fingerprint256;
    const next = makeCertificate();
    copyFileSync(next.key, started.files.key);
    copyFileSync(next.certificate, started.files.certificate);
    await until(() => started.events.length === 2);
    const fresh = await dial(started);
    const after = fresh.getPeerX509Certificate()!.fingerprint256;
    expect(after).toBe(new X509Certificate(certificateOf(next)).fingerprint256);
    expect(after).not.toBe(before);
    for (const socket of [old, fresh]) expect((await ask(socket, query(1, Command.Echo))).length).toBe(13);
  });

  test("keeps the old one in use while it is broken, and is named", async () => {
    const started = await start();
    const trusted = certificateOf(started.files);
    writeFileSync(started.files.certificate, "-----BEGIN CERTIFICATE-----\nbroken\n");
    await until(() => started.events.length === 2);
    expect(started.events[1]).toMatchObject({
      kind: "refused",
      problems: [{ file: started.files.certificate, message: "expected a certificate in PEM" }],
    });
    const socket = await dial(started, { ca: trusted });
    expect((await ask(socket, query(1, Command.Echo))).length).toBe(13);
  });
});

describe.skipIf(!HAS_OPENSSL)("openssl s_client (needs openssl)", () => {
  test("verifies the certificate, and takes ALPN dot", async () => {
    const { port, files } = await start();
    const said = await openssl(port, "", "-alpn", "dot", "-CAfile", files.certificate);
    expect(said).toMatch(/Verification: OK/);
    expect(said).toMatch(/ALPN protocol: dot/);
    expect(said).toMatch(/New, TLSv1.3/);
  });

  test("is refused a second handshake in a connection, and others go on", async () => {
    const started = await start();
    const other = await dial(started);
    const said = await openssl(started.port, "R\n", "-tls1_2");
    expect(said).toMatch(/RENEGOTIATING[\s\S]*no renegotiation/);
    expect((await ask(other, query(1, Command.Echo))).length).toBe(13);
  });

  /** Connects, types `input`, and ends; returns what was printed. */
  async function openssl(port: number, input: string, ...args: readonly string[]): Promise<string> {
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args]);
    let said = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => {
        said += text;
      });
    await until(() => said.includes("---\nread R BLOCK") || said.includes("Verify return code"));
    child.stdin.end(input);
    await once(child, "close");
    return said;
  }
});
