/** What the UDP workers of a process serve: the ports are chosen and the sockets opened here, before any thread runs. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { Endpoint } from "../config/config.ts";
import { closeUdpSocket, openUdpSocket, type UdpSocket } from "./sockets.ts";
import type { SystemCalls } from "./system.ts";
import { CAN_SHARE_PORT, withoutWildcards } from "./udp-datagram.ts";
import type { Post } from "./worker-messages.ts";

/** One post for each worker, and where they listen. */
export interface Posts {
  readonly posts: readonly Post[];
  readonly endpoints: readonly Endpoint[];
  /**
   * Closes what was opened; no worker may be serving any more. Does so once: a number that is closed again may
   * already be somebody else's file, such as the event loop's own.
   */
  readonly close: () => void;
}

/** Posts with open sockets, which outlive the workers that read them. */
export async function batchPosts(
  calls: SystemCalls,
  wanted: readonly Endpoint[],
  workers: number,
): Promise<Posts> {
  const endpoints = await Promise.all(wanted.map(reserve));
  const open: UdpSocket[] = [];
  const close = (): void => {
    for (const socket of open.splice(0)) closeUdpSocket(calls, socket);
  };
  try {
    const posts = Array.from({ length: workers }, (): Post => {
      const sockets = endpoints.map((endpoint) => openUdpSocket(calls, endpoint));
      open.push(...sockets);
      return { kind: "batch", sockets };
    });
    return { posts, endpoints, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** Posts whose sockets each worker binds itself; a single one where sockets cannot share a port. */
export async function datagramPosts(wanted: readonly Endpoint[], workers: number): Promise<Posts> {
  const endpoints = withoutWildcards(await Promise.all(wanted.map(reserve)));
  const post: Post = { kind: "datagram", endpoints, shared: CAN_SHARE_PORT };
  const posts = new Array<Post>(CAN_SHARE_PORT ? workers : 1).fill(post);
  return { posts, endpoints, close: () => {} };
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
