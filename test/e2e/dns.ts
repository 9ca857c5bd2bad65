/** A DNS client that knows nothing of ours: dns-packet encodes and decodes, Node's sockets carry. */

import type { Socket } from "node:dgram";
import { type DecodedPacket, decode, encode, type Packet, type RecordType } from "dns-packet";

/** What to ask besides name and type. */
export interface AskOptions {
  /** ECS as `192.0.2.0/24`. */
  readonly subnet?: string;
}

/** What came back. */
export interface Answer {
  /** `NOERROR` and so on. */
  readonly rcode: string;
  /** The data of the answer section, addresses as text. */
  readonly data: readonly string[];
  /** ECS scope prefix length; null: the reply has no ECS. */
  readonly scope: number | null;
}

/** How long a query may take before it counts as lost. */
const PATIENCE_MS = 2_000;

/** A query in wire form. */
export function encodeQuery(id: number, name: string, type: string, { subnet }: AskOptions = {}): Buffer {
  const [ip = "", length] = subnet?.split("/") ?? [];
  const family = ip.includes(":") ? 2 : 1;
  const option = { code: 8, family, sourcePrefixLength: Number(length), ip };
  const opt = { type: "OPT", name: ".", udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0 };
  const packet: Packet = {
    type: "query",
    id,
    flags: 0,
    questions: [{ name, type: (type === "HTTPS" ? "UNKNOWN_65" : type) as RecordType, class: "IN" }],
    additionals: (subnet === undefined ? [] : [{ ...opt, options: [option] }]) as never,
  };
  return encode(packet);
}

/** Reads a reply from the wire; throws when it is no DNS message. */
export function readAnswer(octets: Buffer): Answer {
  const packet = decode(octets);
  return {
    rcode: String(Reflect.get(packet, "rcode")),
    data: (packet.answers ?? []).map((rr) => String(Reflect.get(rr, "data"))),
    scope: scopeOf(packet),
  };
}

function scopeOf(packet: DecodedPacket): number | null {
  for (const additional of packet.additionals ?? []) {
    if (additional.type !== "OPT") continue;
    for (const option of additional.options) {
      if (option.code === 8) return Number(Reflect.get(option, "scopePrefixLength"));
    }
  }
  return null;
}

/** Asks one server from one socket, any number of questions at a time. */
export class Resolver {
  readonly #socket: Socket;
  readonly #port: number;
  readonly #address: string;
  readonly #open: Map<number, (answer: Answer) => void> = new Map();
  #nextId = 0;

  constructor(socket: Socket, port: number, address = "127.0.0.1") {
    this.#socket = socket;
    this.#port = port;
    this.#address = address;
    socket.on("message", (octets) => {
      const id = octets.readUInt16BE(0);
      this.#open.get(id)?.(readAnswer(octets));
      this.#open.delete(id);
    });
  }

  /** Rejects when no answer comes. */
  ask(name: string, type: string, options: AskOptions = {}): Promise<Answer> {
    this.#nextId = (this.#nextId + 1) & 0xffff;
    const id = this.#nextId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new Error(`no answer to ${name} ${type} ${options.subnet ?? ""}`));
      }, PATIENCE_MS);
      this.#open.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      this.#socket.send(encodeQuery(id, name, type, options), this.#port, this.#address);
    });
  }

  /** The first address that answers, or the RCODE, in a word; null: no reply in time. */
  async look(name: string, options: AskOptions = {}): Promise<string | null> {
    const answer = await this.ask(name, "A", options).catch(() => null);
    return answer === null ? null : (answer.data[0] ?? answer.rcode);
  }
}
