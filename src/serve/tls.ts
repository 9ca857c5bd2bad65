/** DNS over TLS (RFC 7858), upon connections that a listener has accepted. */

import { createServer, type Server, type TLSSocket } from "node:tls";
import { Counter, count } from "../telemetry/counters.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";

/** A server that listens nowhere, has no certificate yet, and gives `converse` each connection after its handshake. */
export function createTlsServer(
  connections: Connections,
  counters: Float64Array,
  converse: (connection: Connection, stream: TLSSocket) => void,
): Server {
  const server = createServer({ ALPNProtocols: ["dot"] });
  afterHandshakes(server, connections, counters, (connection, stream) => {
    count(counters, Counter.connectionsTls);
    converse(connection, stream);
  });
  return server;
}

/** Gives `take` each connection of a server over TLS after its handshake, and counts those that fail. */
export function afterHandshakes(
  server: Server,
  connections: Connections,
  counters: Float64Array,
  take: (connection: Connection, stream: TLSSocket) => void,
): void {
  server.on("secureConnection", (stream) => {
    stream.on("error", () => {}); // The client went away: "close" follows, and there is nobody to tell.
    const connection = connections.endHandshake(stream);
    if (connection === null) stream.destroy();
    else take(connection, stream);
  });
  server.on("tlsClientError", (_error, stream) => {
    count(counters, Counter.tlsFailures);
    stream.destroy();
  });
}
