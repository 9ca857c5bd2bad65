/** A server of a parent zone, over TCP: answers DS with what the test says, NS and addresses with what leads to itself. */

import { createServer, type Server, type Socket } from "node:net";
import { decode, encode } from "dns-packet";
import { onTestFinished } from "vitest";
import type { Endpoint } from "../../src/config/node.ts";
import { addressOf } from "../../src/wire/address.ts";

/** One server. */
export class ParentServer {
  /** RDATAs of the DS RRset. */
  ds: readonly Uint8Array[] = [];
  ttlSeconds = 5;
  /** What it does with queries. */
  manner: "answers" | "lame" | "mute" | "garbled" | "other" | "refusing" | "hanging up" = "answers";
  asked = 0;
  readonly #server: Server = createServer((socket) => this.#serve(socket));

  static async open(): Promise<ParentServer> {
    const parent = new ParentServer();
    const sockets = new Set<Socket>();
    parent.#server.on("connection", (socket) => sockets.add(socket));
    await new Promise<void>((resolve) => parent.#server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      parent.#server.close();
    });
    return parent;
  }

  get endpoint(): Endpoint {
    const bound = this.#server.address();
    if (bound === null || typeof bound === "string") throw new Error("the parent does not listen");
    return { address: addressOf(Uint8Array.of(127, 0, 0, 1)), port: bound.port };
  }

  close(): void {
    this.#server.close();
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      this.asked += 1;
      if (this.manner === "mute") return;
      if (this.manner === "hanging up") {
        socket.destroy();
        return;
      }
      const query = decode(received.subarray(2));
      const question = query.questions?.[0];
      if (question === undefined) return;
      const { name } = question;
      const answers =
        question.type === "DS"
          ? this.ds.map((rdata) => ({ type: "DS", name, ttl: this.ttlSeconds, data: dataOf(rdata) }))
          : answersTo(question.type, name);
      const reply = encode({
        type: "response",
        id: (query.id ?? 0) ^ (this.manner === "other" ? 1 : 0),
        flags: (this.manner === "lame" ? 0 : 1 << 10) | (this.manner === "refusing" ? 5 : 0),
        questions: [question],
        answers: answers as never,
      });
      const length = Buffer.alloc(2);
      const sent = this.manner === "garbled" ? reply.subarray(0, -1) : reply;
      length.writeUInt16BE(sent.length);
      socket.write(Buffer.concat([length, sent]));
    });
  }
}

/** As a resolver: `example` has one server, at an address where nobody listens on port 53. */
function answersTo(type: string, name: string): readonly unknown[] {
  if (type === "NS" && name === "example") return [{ type, name, ttl: 5, data: "ns.parent.example" }];
  if (type === "A" && name === "ns.parent.example") return [{ type, name, ttl: 5, data: "127.255.255.254" }];
  return [];
}

function dataOf(rdata: Uint8Array): unknown {
  const octets = Buffer.from(rdata);
  return {
    keyTag: octets.readUInt16BE(0),
    algorithm: octets[2],
    digestType: octets[3],
    digest: octets.subarray(4),
  };
}
