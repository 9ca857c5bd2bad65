/** A listening socket: takes connections, finds out whose they are, and hands them on within their limits. */

import { once } from "node:events";
import {
  BlockList,
  createServer,
  type ListenOptions,
  type Server,
  type Socket,
  type SocketAddress,
} from "node:net";
import type { Endpoint } from "../config/node.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { type IpAddress, isInPrefix, type Prefix, parseAddress } from "../wire/address.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import { withoutZone } from "./endpoint.ts";
import { readProxyHeader } from "./proxy.ts";
import type { SocketSet } from "./socket-set.ts";

/** How connections are taken. */
export interface ListenerOptions {
  /** Where the socket that listens comes from; null: it is opened here. */
  readonly sockets: SocketSet | null;
  readonly connections: Connections;
  /** Where load balancers are: what comes from there begins with a PROXY header, and nothing else may. */
  readonly proxies: readonly Prefix[];
  /** The parent's own row. */
  readonly counters: Float64Array;
}

/**
 * Responses that wait for a client to read them; with more, its queries wait too, and others have their turn: of 100
 * clients that sent 2,000 queries each and read nothing, 64 KiB made others wait half as long again.
 */
const UNSENT_OCTETS_MAX = 16 * 1024;
/** Connections that wait to be accepted: a burst of them fits, and the kernel allows no more than net.core.somaxconn. */
const BACKLOG = 4096;

/** Resolves when the endpoint listens; rejects when it cannot. `onConnection` gets the connections that may be. */
export async function listen(
  endpoint: Endpoint,
  options: ListenerOptions,
  onConnection: (connection: Connection) => void,
): Promise<Server> {
  const blockList = new Barred(options.connections);
  const server = createServer({ highWaterMark: UNSENT_OCTETS_MAX, noDelay: true, blockList });
  server.listen(listenOptions(endpoint, options.sockets));
  await once(server, "listening");
  server.on("connection", (socket) => accept(socket, options, onConnection));
  // Such as no file descriptor left: that connection is lost, and the next may do.
  server.on("error", () => count(options.counters, Counter.receiveErrors));
  return server;
}

/**
 * Closes connections that are barred as soon as they are accepted. It is a block list because that is what Node asks before it
 * makes a `Socket`, which with its events and its end is most of what a connection costs.
 */
class Barred extends BlockList {
  readonly #connections: Connections;

  constructor(connections: Connections) {
    super();
    this.#connections = connections;
  }

  /** Not those of load balancers: in what they waste they are counted as the clients that they speak for. */
  override check(source: string | SocketAddress): boolean {
    const address = parseAddress(withoutZone(typeof source === "string" ? source : source.address));
    return address !== null && this.#connections.bars(address);
  }
}

function listenOptions(endpoint: Endpoint, sockets: SocketSet | null): ListenOptions {
  const { family, text } = endpoint.address;
  const where =
    sockets === null
      ? { host: text, port: endpoint.port, ipv6Only: family === 6 }
      : { fd: sockets.takeTcp(endpoint) };
  return { ...where, backlog: BACKLOG };
}

function accept(
  socket: Socket,
  { connections, proxies }: ListenerOptions,
  onConnection: (connection: Connection) => void,
): void {
  socket.on("error", () => {}); // The client went away: "close" follows, and there is nobody to tell.
  const address = parseAddress(withoutZone(socket.remoteAddress ?? ""));
  // It was gone before it was accepted.
  if (address === null) {
    socket.destroy();
    return;
  }
  const connection = connections.admit(socket);
  const begin = (client: IpAddress): void => {
    if (connections.assign(connection, client)) onConnection(connection);
  };
  if (!proxies.some((prefix) => isInPrefix(address, prefix))) begin(address);
  else
    skipProxyHeader(
      socket,
      (client) => {
        // A health check, which as a rule asks nothing.
        if (client === null) connections.use(connection);
        begin(client ?? address);
      },
      () => connections.refuse(connection),
    );
}

/** Reads the header and leaves what follows in the socket. A load balancer that is slow with it is idle like others. */
function skipProxyHeader(
  socket: Socket,
  onHeader: (client: IpAddress | null) => void,
  onBad: () => void,
): void {
  let octets: Buffer = Buffer.alloc(0);
  const read = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    octets = Buffer.concat([octets, chunk]);
    const header = readProxyHeader(octets);
    if (header.kind === "more") return;
    socket.off("readable", read);
    if (header.kind === "bad") {
      onBad();
      return;
    }
    socket.unshift(octets.subarray(header.length));
    onHeader(header.client);
  };
  socket.on("readable", read);
}
