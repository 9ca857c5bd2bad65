/** A responder that does as the octet after the header says, and sets QR. */

import type { Client } from "../../src/answer/client.ts";
import { FORWARD } from "../../src/answer/forward.ts";
import type { Responder, ServedBook } from "../../src/answer/responder.ts";
import { Counter, count } from "../../src/telemetry/counters.ts";
import { putU16 } from "../../src/wire/bytes.ts";

/** What to do with a query. */
export const Command = {
  /** Reply with the query. */
  Echo: 0,
  /** Say nothing. */
  Silence: 1,
  Throw: 2,
  /** End the thread. */
  Die: 3,
  /** Reply with the first octet of the book after the command; 0: no book. */
  Book: 4,
  /** Reply with the client's family and address after the command. */
  Client: 5,
  /** Reply with as many octets as the two after the command say. */
  Grow: 6,
  /** Reply with the moment modulo 65,536 after the command. */
  Moment: 7,
  /** Keep the thread busy for as many milliseconds as the two octets after the command say, and reply with the query. */
  Toil: 8,
  /** Leave it to control. */
  Forward: 9,
  /** Reply with how many books it has warmed up with, and the first octet of the last, after the command. */
  Warmth: 10,
} as const;

const COMMAND_AT = 12;

/** The first octet of a book that a warm-up throws at. */
export const CHILLING = 0xff;

/** As in `answer/responder.ts`. */
export function createResponder(book: ServedBook | null, counters: Float64Array): Responder {
  let adopted = book;
  const warmedWith: number[] = [];
  return {
    answer: (packet, length, client, transport, moment) => {
      count(counters, Counter.queriesUdp + transport);
      if (packet.octets[COMMAND_AT] === Command.Warmth) {
        packet.octets.set([warmedWith.length, warmedWith.at(-1) ?? 0], COMMAND_AT + 1);
        return COMMAND_AT + 3;
      }
      return obey(packet.octets, length, client, moment, adopted);
    },
    explain: (packet, length, client, _transport, moment) =>
      obey(packet.octets, length, client, moment, adopted),
    adopt: (next) => {
      adopted = next;
    },
    adoptChallenges: () => {},
    warmUp: (first) => {
      const octet = firstOctet(first);
      warmedWith.push(octet);
      if (octet === CHILLING) throw new Error("a chill");
    },
  };
}

function firstOctet({ memory }: ServedBook): number {
  return new Uint8Array(memory)[0] ?? 0;
}

function obey(
  packet: Uint8Array,
  length: number,
  client: Client,
  moment: number,
  book: ServedBook | null,
): number {
  if (packet[COMMAND_AT] === Command.Forward) return FORWARD;
  packet[2] = (packet[2] ?? 0) | 0x80;
  switch (packet[COMMAND_AT]) {
    case Command.Silence:
      return 0;
    case Command.Throw:
      throw new Error("a bug");
    case Command.Die:
      return process.exit(1);
    case Command.Book:
      packet[COMMAND_AT + 1] = book === null ? 0 : firstOctet(book);
      return COMMAND_AT + 2;
    case Command.Client:
      packet[COMMAND_AT + 1] = client.family;
      packet.set(client.address, COMMAND_AT + 2);
      return COMMAND_AT + 2 + (client.family === 4 ? 4 : 16);
    case Command.Grow:
      return ((packet[COMMAND_AT + 1] ?? 0) << 8) | (packet[COMMAND_AT + 2] ?? 0);
    case Command.Moment:
      putU16(packet, COMMAND_AT + 1, moment % 65_536);
      return COMMAND_AT + 3;
    case Command.Toil: {
      const endMs =
        performance.now() + (((packet[COMMAND_AT + 1] ?? 0) << 8) | (packet[COMMAND_AT + 2] ?? 0));
      while (performance.now() < endMs);
      return length;
    }
    default:
      return length;
  }
}
