/** An Ethernet link between two network namespaces of its own: one for a server, one for who asks it. Takes root, and ip. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** Addresses for benchmarks (RFC 2544 appendix C.2.2, RFC 5180 §8): no network is to forward them. */
export const SERVER = { ipv4: "198.18.0.1", ipv6: "2001:2::1" } as const;
export const CLIENT = { ipv4: "198.18.0.2", ipv6: "2001:2::2" } as const;

/** The server's interface. */
export const INTERFACE = "server0";
const PEER = "client0";

/** Where a server listens: at its end of a link, or on loopback. */
export function addressOf(link: Link | null): string {
  return link === null ? "127.0.0.1" : SERVER.ipv4;
}

/** Whether this process may make one. */
export function canLink(): boolean {
  try {
    new Link("try").remove();
    return true;
  } catch {
    return false;
  }
}

/** What may be otherwise than usual. */
export interface LinkOptions {
  readonly queues?: number;
  readonly mtu?: number;
}

/** A link that works, until it is removed. */
export class Link {
  /** What a command of the server begins with, and of a client. */
  readonly server: readonly string[];
  readonly client: readonly string[];
  readonly #namespaces: readonly [server: string, client: string];

  /**
   * `name` tells links of one process apart. Throws where it cannot be made, and leaves nothing. From an MTU of 4,000 on the driver
   * leaves XDP to the kernel.
   */
  constructor(name: string, { queues = 1, mtu = 1500 }: LinkOptions = {}) {
    const [server, client] = ["server", "client"].map(
      (side) => `meridian-${process.pid}-${name}-${side}`,
    ) as [string, string];
    this.#namespaces = [server, client];
    this.server = ["ip", "netns", "exec", server];
    this.client = ["ip", "netns", "exec", client];
    try {
      for (const namespace of this.#namespaces) ip("netns", "add", namespace);
      const each = ["mtu", mtu, "numtxqueues", queues, "numrxqueues", queues].map(String);
      const peer = ["peer", "name", PEER, "netns", client, ...each];
      ip("link", "add", INTERFACE, "netns", server, ...each, "type", "veth", ...peer);
      for (const [namespace, device, { ipv4, ipv6 }] of [
        [server, INTERFACE, SERVER],
        [client, PEER, CLIENT],
      ] as const) {
        ip("-n", namespace, "address", "add", `${ipv4}/24`, "dev", device);
        ip("-n", namespace, "address", "add", `${ipv6}/64`, "dev", device, "nodad");
        ip("-n", namespace, "link", "set", "lo", "up");
        ip("-n", namespace, "link", "set", device, "up");
      }
    } catch (error) {
      this.remove();
      throw error;
    }
  }

  /** Whether a query for A from the other end gets a response without an error. */
  async isAnswered(port: number, qname: string): Promise<boolean> {
    const [program = "", ...args] = [...this.client, "dig", "+time=1", "+tries=1", "+norecurse"];
    const dig = spawn(program, [...args, "-p", String(port), `@${SERVER.ipv4}`, qname, "A"]);
    let said = "";
    dig.stdout.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    await once(dig, "close");
    return said.includes("status: NOERROR");
  }

  remove(): void {
    for (const namespace of this.#namespaces) spawnSync("ip", ["netns", "delete", namespace]);
  }
}

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}
