/** Servers of connections for tests; each ends with the test that started it. */

import { afterEach } from "vitest";
import type { CertificateEvent } from "../../src/serve/certificate.ts";
import type { ConnectionLimits } from "../../src/serve/connections.ts";
import { StreamServer, type StreamServerOptions } from "../../src/serve/stream-server.ts";
import { Counter, type CounterName, ROW_CELLS } from "../../src/telemetry/counters.ts";
import { createResponder } from "./toy-responder.ts";

/** What a server is to be beside what all of them are; it opens its own sockets, and listens nowhere unless told. */
interface StartOptions extends Partial<Omit<StreamServerOptions, "limits">> {
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

/** A server that answers as the toy responder does, and what it has told so far. */
export interface StartedStreams {
  readonly server: StreamServer;
  readonly crashes: readonly string[];
  readonly events: readonly CertificateEvent[];
  counted(name: CounterName): number | undefined;
}

const running: StreamServer[] = [];
const closing: { destroy(): void }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0)) each.destroy();
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

/** Has a client's connection end with the test. */
export function closeAfterwards(connection: { destroy(): void }): void {
  closing.push(connection);
}

/** Starts a server, with room for 100 connections. */
export async function startStreams({ limits, ...options }: StartOptions): Promise<StartedStreams> {
  const counters = new Float64Array(ROW_CELLS);
  const crashes: string[] = [];
  const events: CertificateEvent[] = [];
  const server = await StreamServer.start({
    sockets: null,
    endpoints: [],
    tls: null,
    https: null,
    limits: {
      maxConnections: 100,
      maxConnectionsPerClient: 100,
      maxWastedPerClient: 1_000,
      idleTimeoutMs: 10_000,
      ...limits,
    },
    proxies: [],
    answer: createResponder(null, counters).answer,
    respondLater: async function* () {},
    counters,
    onCrash: (stack) => crashes.push(stack),
    onCertificate: (event) => events.push(event),
    ...options,
  });
  running.push(server);
  return { server, crashes, events, counted: (name) => counters[Counter[name]] };
}
