/** Servers for the probes to look at, on loopback ports of their own. */

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Server as HttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { pinOf } from "../../src/serve/certificate.ts";

/** Serves every connection with `serve` until the test ends, and returns the port. */
export function listen(serve: (socket: Socket) => void): Promise<number> {
  return opened(createServer(), "connection", serve);
}

/** The same behind TLS, with one of the certificates made by `certificates/make.sh`. */
export function listenTls(certificate: string, serve: (socket: Socket) => void): Promise<number> {
  const server = createTlsServer({ cert: pem(`${certificate}.pem`), key: pem(`${certificate}.key`) });
  return opened(server, "secureConnection", serve);
}

/** A port that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The text of a certificate or key. */
export function pem(name: string): string {
  return readFileSync(fileOf(name), "utf8");
}

/** Has this process trust the CA of `certificates/make.sh` while a suite runs. */
export function useTestCa(): void {
  const before = getCACertificates("default");
  beforeAll(() => setDefaultCACertificates([...before, pem("ca.pem")]));
  afterAll(() => setDefaultCACertificates(before));
}

/** The file of a certificate made by `certificates/make.sh`. */
export function certificateFile(certificate: string): string {
  return fileOf(`${certificate}.pem`);
}

/** By what its key is known. */
export function pinOfTest(certificate: string): string {
  return pinOf(new X509Certificate(pem(`${certificate}.pem`)));
}

function fileOf(name: string): string {
  return join(import.meta.dirname, "certificates", name);
}

async function opened(server: Server, event: string, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  server.on(event, (socket: Socket) => {
    socket.on("error", () => {});
    serve(socket);
  });
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return startedOn(server);
}

/** Has a server of any kind listen until the test ends, and returns its port. */
export function listening(server: Server): Promise<number> {
  onTestFinished(async () => {
    if ("closeAllConnections" in server) (server as HttpServer).closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return startedOn(server);
}

async function startedOn(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return (server.address() as AddressInfo).port;
}
