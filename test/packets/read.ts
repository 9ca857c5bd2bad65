/** Reads golden packets: files of commented hex. */

import { readFileSync } from "node:fs";

/** One packet of a file. */
export interface GoldenPacket {
  /** Its heading, after `==` and before `->`. */
  readonly name: string;
  /** What the heading says after `->`. */
  readonly expected: string;
  readonly bytes: Uint8Array;
}

/**
 * The packets of `test/packets/<file>`. A line `== name -> expected` starts a packet; the lines below it are octets
 * in hex, or characters in single quotes, with a comment after `;`.
 */
export function readPackets(file: string): readonly GoldenPacket[] {
  const text = readFileSync(new URL(file, import.meta.url), "latin1");
  return text
    .split(/^== /m)
    .slice(1)
    .map((section) => {
      const [heading = "", ...lines] = section.split("\n");
      const [name = "", expected = ""] = heading.split(" -> ");
      return { name, expected, bytes: Uint8Array.from(lines.flatMap(readOctets)) };
    });
}

function readOctets(line: string): readonly number[] {
  const words = line.replace(/;.*/, "").match(/'[^']*'|\S+/g) ?? [];
  return words.flatMap((word) =>
    word.startsWith("'") ? [...Buffer.from(word.slice(1, -1), "latin1")] : [...Buffer.from(word, "hex")],
  );
}
