/** A worker's sockets where system calls are not at hand: node:dgram, at three times the cost (10.3 µs against 3.4). */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type NetworkInterfaceInfo, networkInterfaces } from "node:os";
import { Client } from "../answer/client.ts";
import { FORWARD } from "../answer/forward.ts";
import type { Answer } from "../answer/responder.ts";
import { Transport } from "../answer/transport.ts";
import type { Endpoint } from "../config/node.ts";
import { Counter, count } from "../telemetry/counters.ts";
import { parseAddress } from "../wire/address.ts";
import { Packet } from "../wire/packet.ts";
import { PACKET_OCTETS } from "./batch.ts";
import { isWildcard, setClient, withoutZone } from "./endpoint.ts";
import type { ForwardPacket } from "./udp-batch.ts";
import type { ReturnAddress } from "./worker-messages.ts";

/** What the sockets work with. */
export interface DatagramService {
  /** Without wildcards: see `withoutWildcards`. */
  readonly endpoints: readonly Endpoint[];
  /** Whether other workers bind the same endpoints. */
  readonly shared: boolean;
  /** Does not throw. */
  readonly answer: Answer;
  /** Leaves a packet to control. */
  readonly forward: ForwardPacket;
  /** The worker's row of counters. */
  readonly counters: Float64Array;
}

/** Asked of the kernel for a socket's queries; it may give less. */
const RECEIVE_BUFFER_OCTETS = 1024 * 1024;
/** Responses that wait for a full send buffer take at most this much memory; more are dropped. */
const UNSENT_OCTETS_MAX = 1024 * 1024;

/** Whether several sockets can share a port here, so that more than one worker makes sense. */
export const CAN_SHARE_PORT: boolean = process.platform === "linux" || process.platform === "freebsd";

/**
 * The endpoints with each wildcard replaced by the machine's own addresses of its family, as they are now.
 *
 * node:dgram cannot tell which address a query came to, so a wildcard socket would reply from whichever the routing
 * table prefers, and resolvers drop a reply from another address than they asked (RFC 2181 §4.1). Link-local
 * addresses are left out, because no delegation can name them. Addresses that come later need a restart.
 */
export function withoutWildcards(
  endpoints: readonly Endpoint[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): Endpoint[] {
  return endpoints.flatMap((endpoint) => {
    if (!isWildcard(endpoint.address)) return [endpoint];
    return Object.values(interfaces)
      .flatMap((addresses) => addresses ?? [])
      .filter((own) => !own.scopeid)
      .map((own) => parseAddress(own.address))
      .filter((address) => address !== null)
      .filter((address) => address.family === endpoint.address.family)
      .map((address) => ({ address, port: endpoint.port }));
  });
}

/** Binds all endpoints and answers from then on; rejects when one cannot be bound. The caller closes the sockets. */
export function serveDatagrams(service: DatagramService): Promise<Socket[]> {
  return Promise.all(
    service.endpoints.map(async (endpoint, i) => {
      const socket = open(service, endpoint, i);
      const listening = once(socket, "listening");
      socket.bind({ address: endpoint.address.text, port: endpoint.port });
      await listening;
      return socket;
    }),
  );
}

/** Sends a late reply. */
export type SendReply = (to: ReturnAddress, message: Uint8Array) => void;

/** How late replies go out by these sockets. */
export function replyBy(sockets: readonly Socket[], counters: Float64Array): SendReply {
  return ({ socket, envelope }, message) => {
    const [port = "", address = ""] = Buffer.from(envelope).toString().split(" ");
    sockets[socket]?.send(message, Number(port), address, (error) => {
      if (error !== null) count(counters, Counter.sendErrors);
    });
  };
}

function open(service: DatagramService, endpoint: Endpoint, i: number): Socket {
  const { family } = endpoint.address;
  const socket = createSocket({
    type: family === 4 ? "udp4" : "udp6",
    ipv6Only: family === 6,
    reusePort: service.shared,
    recvBufferSize: RECEIVE_BUFFER_OCTETS,
    // Our destinations are addresses already: without this each reply would wait for the next tick.
    lookup: (address, _options, found) => found(null, address, family),
  });
  const packet = new Packet(new Uint8Array(PACKET_OCTETS));
  const client = new Client();
  const onSent = (error: Error | null): void => {
    if (error !== null) count(service.counters, Counter.sendErrors);
  };
  socket.on("message", (query, source) => {
    const address = parseAddress(withoutZone(source.address));
    if (address === null || query.length > PACKET_OCTETS) return;
    packet.octets.set(query);
    setClient(client, address.bytes);
    const moment = Math.trunc(Date.now() / 1000);
    const length = service.answer(packet, query.length, client, Transport.Udp, moment);
    if (length === FORWARD) {
      const envelope = Buffer.from(`${source.port} ${source.address}`);
      service.forward(new Uint8Array(query), client, { socket: i, envelope });
      return;
    }
    if (length === 0) return;
    if (socket.getSendQueueSize() > UNSENT_OCTETS_MAX) count(service.counters, Counter.sendErrors);
    else socket.send(Buffer.copyBytesFrom(packet.octets, 0, length), source.port, source.address, onSent);
  });
  return socket;
}
