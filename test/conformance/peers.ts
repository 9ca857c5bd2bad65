/** Other name servers that serve the torture zone, and a client that asks them. */

import { createSocket, type Socket } from "node:dgram";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, has, type Lab } from "../e2e/harness.ts";
import { encodeQuestion, wireName } from "./message.ts";

/** A server of others. */
export interface Peer {
  readonly name: string;
  readonly program: string;
  /** Writes its configuration and says what to run. */
  command(folder: string, port: number): readonly string[];
}

export const NSD: Peer = {
  name: "NSD",
  program: "nsd",
  command: (folder, port) => {
    writeFileSync(
      join(folder, "nsd.conf"),
      `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  server-count: 1
  minimal-responses: yes
  rrl-ratelimit: 0
  tcp-query-count: 0
remote-control:
  control-enable: no
zone:
  name: "t."
  zonefile: "zone"
`,
    );
    return ["nsd", "-d", "-c", join(folder, "nsd.conf")];
  },
};

export const KNOT: Peer = knot("Knot", "");

/** Knot that signs what it answers, with denials as small as ours. */
export const KNOT_SIGNING: Peer = knot("Knot-signing", "module: mod-onlinesign");

function knot(name: string, module: string): Peer {
  return {
    name,
    program: "knotd",
    command: (folder, port) => {
      writeFileSync(
        join(folder, "knot.conf"),
        `server:
    listen: 127.0.0.1@${port}
    rundir: ${folder}
    edns-client-subnet: on
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: ${folder}
zone:
  - domain: t.
    file: ${folder}/zone
    semantic-checks: off
    ${module}
`,
      );
      return ["knotd", "-c", join(folder, "knot.conf")];
    },
  };
}

/** Whether the peer can be started here. */
export function isThere(peer: Peer): boolean {
  return has(peer.program);
}

/** Starts a peer with a zone, and waits until it answers; returns its port. */
export async function startPeer(lab: Lab, peer: Peer, zone: string): Promise<number> {
  const port = await freePort();
  const folder = join(lab.folder, peer.name);
  mkdirSync(folder);
  writeFileSync(join(folder, "zone"), zone);
  const [command = "", ...args] = peer.command(folder, port);
  const program = lab.start(peer.name, command, args);
  const soa = encodeQuestion(wireName("t."), 6);
  for (const client = new Client(port); ; await sleep(20)) {
    const [reply] = await client.exchange([soa], 200);
    const isReady = reply !== undefined && reply !== null && ((reply[3] ?? 2) & 15) === 0;
    if (isReady || program.hasEnded) client.close();
    if (isReady) return port;
    if (program.hasEnded) throw new Error(`${peer.name} ended: ${program.output}`);
  }
}

/** Sends queries over UDP, some at a time, and gives each its reply. */
export class Client {
  readonly #socket: Socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  readonly #port: number;
  #open: Map<number, (reply: Buffer) => void> = new Map();

  constructor(port: number) {
    this.#port = port;
    this.#socket.on("message", (octets) => this.#open.get(octets.readUInt16BE(0))?.(octets));
  }

  /** The replies in the order of the queries, which are given ids of their own; null: none came in time. */
  async exchange(queries: readonly Uint8Array[], withinMs = 2_000): Promise<readonly (Buffer | null)[]> {
    const replies: (Buffer | null)[] = queries.map(() => null);
    let left = queries.length;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#open = new Map();
      for (const [id, query] of queries.entries()) {
        this.#open.set(id, (reply) => {
          this.#open.delete(id);
          query.subarray(0, 2).forEach((octet, i) => {
            reply[i] = octet;
          });
          replies[id] = reply;
          left -= 1;
          if (left > 0) return;
          clearTimeout(timer);
          resolve();
        });
        const packet = Buffer.from(query);
        packet.writeUInt16BE(id, 0);
        this.#socket.send(packet, this.#port, "127.0.0.1");
      }
    });
    return replies;
  }

  close(): void {
    this.#socket.close();
  }
}

/** Asks over one TCP connection, one query after the other. */
export async function askOverTcp(
  port: number,
  queries: readonly Uint8Array[],
): Promise<readonly (Buffer | null)[]> {
  const socket = connect(port, "127.0.0.1");
  const replies: Buffer[] = [];
  let unread = Buffer.alloc(0);
  const isOver = new Promise<void>((resolve) => {
    const sendNext = (): void => {
      const query = queries[replies.length];
      if (query === undefined) socket.end();
      else socket.write(Buffer.concat([Buffer.from([query.length >> 8, query.length & 0xff]), query]));
    };
    socket.on("connect", sendNext);
    socket.on("error", () => resolve());
    socket.on("close", () => resolve());
    socket.on("data", (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk]);
      while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16BE(0)) {
        const end = 2 + unread.readUInt16BE(0);
        replies.push(unread.subarray(2, end));
        unread = unread.subarray(end);
        sendNext();
      }
    });
  });
  await isOver;
  return queries.map((_, i) => replies[i] ?? null);
}
