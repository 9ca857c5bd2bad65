/** Finds the node of a name in the book, or what stands in its place. */

import type { Book } from "../book/book.ts";
import { Node } from "../book/layout.ts";
import { sameFolded, u8, word } from "../wire/bytes.ts";
import { hashName, isNameAt } from "../wire/name-hash.ts";
import type { Packet } from "../wire/packet.ts";

/** The node of exactly that name; 0: none. `hash` is `hashName` of it. */
export function findNode(book: Book, view: DataView, at: number, length: number, hash: number): number {
  const { words, namesAt, namesMask } = book;
  for (let slot = hash & namesMask; ; slot = (slot + 1) & namesMask) {
    const node = word(words, namesAt + 2 * slot + 1);
    if (node === 0) return 0;
    const isLikely = (word(words, namesAt + 2 * slot) | 0) === hash;
    if (isLikely && isNamed(book, node, view, at, length)) return node;
  }
}

/**
 * The closest encloser (RFC 4592 §3.3.1) of a name that has no node of its own; 0: we have no zone for it. Starts no
 * deeper than the deepest owner name, so that a qname of 127 labels costs no more than an honest one.
 */
export function findEncloser(book: Book, { octets, view }: Packet, at: number, length: number): number {
  let labels = 0;
  for (let label = at; u8(octets, label) !== 0; label += u8(octets, label) + 1) labels += 1;
  for (let label = at; u8(octets, label) !== 0; ) {
    label += u8(octets, label) + 1;
    labels -= 1;
    if (labels > book.labelsMax) continue;
    const rest = length - (label - at);
    const node = findNode(book, view, label, rest, hashName(view, label, rest));
    if (node !== 0) return node;
  }
  return 0;
}

/** The first label of a name that a certificate authority looks at (RFC 8555 §8.4), with its length. */
const CHALLENGE_LABEL = Uint8Array.from([15, ...Buffer.from("_acme-challenge")]);

/** The node of a challenge name among the challenges; 0: none. Most names end with their first octet here. */
export function findChallenge(
  challenges: Book,
  { octets, view }: Packet,
  at: number,
  length: number,
  hash: number,
): number {
  return sameFolded(CHALLENGE_LABEL, 0, octets, at, CHALLENGE_LABEL.length)
    ? findNode(challenges, view, at, length, hash)
    : 0;
}

function isNamed(book: Book, node: number, view: DataView, at: number, length: number): boolean {
  const name = book.octetsAt + word(book.words, node + Node.name);
  return word(book.words, node + Node.nameLength) === length && isNameAt(book.view, name, view, at, length);
}
