/** What the UDP workers of a process serve: the ports are chosen and the sockets opened here, before any thread reads. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../config/node.ts";
import type { SocketSet } from "./socket-set.ts";
import type { UdpSocket } from "./sockets.ts";
import { CAN_SHARE_PORT, withoutWildcards } from "./udp-datagram.ts";
import type { Post } from "./worker-messages.ts";

/** One post for each worker, and where they listen. */
export interface Posts {
  readonly posts: readonly Post[];
  readonly endpoints: readonly Endpoint[];
}

/** How many workers datagrams can use: a single one where sockets cannot share a port. */
export function datagramWorkers(workers: number): number {
  return CAN_SHARE_PORT ? workers : 1;
}

/** Posts with open sockets, which outlive the workers that read them. The sockets are the set's to close. */
export async function batchPosts(
  sockets: SocketSet,
  wanted: readonly Endpoint[],
  workers: number,
): Promise<Posts> {
  const endpoints = await Promise.all(
    wanted.map((endpoint) => (sockets.isInherited("udp", endpoint) ? endpoint : reserve(endpoint))),
  );
  const ofEndpoints = endpoints.map((endpoint) => sockets.takeUdp(endpoint, workers));
  const posts = Array.from({ length: workers }, (_, worker): Post => {
    return {
      kind: "batch",
      sockets: ofEndpoints.flatMap((all) => shareOf(worker, workers, all)),
      queues: [],
    };
  });
  return { posts, endpoints };
}

/**
 * A worker's share of the sockets of an endpoint, so that each is read by somebody. Usually there is one for each worker;
 * a predecessor with more workers leaves more, and where there are fewer, several workers wait for one.
 */
function shareOf(worker: number, workers: number, sockets: readonly UdpSocket[]): readonly UdpSocket[] {
  if (sockets.length >= workers) return sockets.filter((_, i) => i % workers === worker);
  const shared = sockets[worker % sockets.length];
  return shared === undefined ? [] : [shared];
}

/** Posts whose sockets each worker binds itself. */
export async function datagramPosts(wanted: readonly Endpoint[], workers: number): Promise<Posts> {
  const endpoints = withoutWildcards(await Promise.all(wanted.map(reserve)));
  const post: Post = { kind: "datagram", endpoints, shared: CAN_SHARE_PORT };
  return { posts: new Array<Post>(datagramWorkers(workers)).fill(post), endpoints };
}

/**
 * The endpoint with its port, chosen now where it is 0. Rejects when the address is not the machine's or the port
 * is taken: sockets that share a port by SO_REUSEPORT would join another process of the same user without a word,
 * and each would get a part of the queries, but binding once without it tells.
 */
async function reserve(endpoint: Endpoint): Promise<Endpoint> {
  const { family, text } = endpoint.address;
  const socket = createSocket({ type: family === 4 ? "udp4" : "udp6", ipv6Only: family === 6 });
  try {
    socket.bind({ address: text, port: endpoint.port });
    await once(socket, "listening");
    return { address: endpoint.address, port: socket.address().port };
  } finally {
    socket.close();
  }
}
