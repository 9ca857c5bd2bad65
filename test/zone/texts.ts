/** Reads pieces of master files for tests, and tells what came out as text. */

import { formatProblem } from "../../src/problem.ts";
import { rrTypeCode, rrTypeName } from "../../src/wire/codes.ts";
import { formatName, type Name, nameKey, parseName } from "../../src/wire/name.ts";
import { RdataWords } from "../../src/zone/fields.ts";
import { parseZone } from "../../src/zone/parse.ts";
import { formatRdata, parseRdata } from "../../src/zone/rdata.ts";
import { Scanner } from "../../src/zone/scan.ts";
import type { Zone } from "../../src/zone/zone.ts";

export function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

/** The rdata in hex, or the problem. The origin is `example.` */
export function rdataHex(type: string, text: string): string {
  let fault: string | null = null;
  const scanner = new Scanner(`${type} ${text}`, (_line, _column, message) => {
    fault ??= message;
  });
  const entry = scanner.next()!;
  const words = new RdataWords(entry.words, 0, name("example."));
  const rdata = fault === null ? parseRdata(rrTypeCode(type)!, words) : null;
  if (rdata !== null) return Buffer.from(rdata).toString("hex");
  return fault ?? words.problem!.message;
}

/** What a zone file (and others that it includes) says: its RRs in file order as text, or its problems. */
export function readZone(text: string, files: Readonly<Record<string, string>> = {}): readonly string[] {
  const { value, problems } = parseZone("zone", null, (path) =>
    path === "zone" ? text : (files[path] ?? null),
  );
  return value === null ? problems.map(formatProblem) : rrsOf(value);
}

/** The same for a zone whose SOA and NS are given: one of `lines` is line 5 of the file. */
export function readLines(...lines: readonly string[]): readonly string[] {
  const start = ["$ORIGIN example.", "$TTL 60", "@ SOA ns host 1 2 3 4 5", "@ NS ns.example.net."];
  const all = readZone([...start, ...lines, ""].join("\n"));
  return all.filter((text) => !text.includes(" SOA ") && !text.endsWith(" NS ns.example.net."));
}

export function rrsOf(zone: Zone): readonly string[] {
  return [...zone.nodes].flatMap(([key, node]) => {
    if (key !== nameKey(node.name)) throw new Error(`a node under another name's key: ${key}`);
    const owner = formatName(node.name);
    const rrs = [...node.rrsets].flatMap(([type, rrset]) =>
      rrset.rdatas.map(
        (rdata) => `${owner} ${rrset.ttlSeconds} ${rrTypeName(type)} ${formatRdata(type, rdata)}`,
      ),
    );
    return node.steered === null ? rrs : [...rrs, `${owner} STEER ${formatName(node.steered.as)}`];
  });
}
