/** The service parameters of SVCB and HTTPS rdata (RFC 9460 §2.1, §7, Appendix A). */

import { formatAddress, parseIpv4, parseIpv6 } from "../wire/address.ts";
import { u8, u16 } from "../wire/bytes.ts";
import { numberAfter } from "../wire/codes.ts";
import { decodeBase64, type Field, pushInteger, pushOctets, type RdataWords } from "./fields.ts";
import { decodeText, quoteText } from "./text.ts";

const mandatoryKey = 0;
const alpnKey = 1;
const noDefaultAlpnKey = 2;
/** Reserved as "invalid key" (RFC 9460 §14.3.2). */
const invalidKey = 65_535;

const comma = 0x2c;
const backslash = 0x5c;

/** One service parameter that has a text form of its own. */
interface Parameter {
  readonly key: number;
  readonly name: string;
  /** What its value is, for messages. */
  readonly expected: string;
  /** The octets of a value, "" where there is none; null where it is not right. */
  readonly parse: (value: string) => Iterable<number> | null;
  /** The text after the `=`, or "" for a key alone; null where the octets are not right. */
  readonly format: (octets: Uint8Array) => string | null;
}

const noValue = {
  expected: "no value",
  parse: (value: string): Iterable<number> | null => (value === "" ? [] : null),
  format: (octets: Uint8Array): string | null => (octets.length === 0 ? "" : null),
};

const parameters: readonly Parameter[] = [
  {
    key: mandatoryKey,
    name: "mandatory",
    expected: "keys with commas between them, each once, and not mandatory itself",
    parse: parseMandatory,
    format: formatMandatory,
  },
  {
    key: alpnKey,
    name: "alpn",
    expected: "protocols of 1 to 255 octets with commas between them, such as h2,h3",
    parse: parseAlpn,
    format: formatAlpn,
  },
  { key: noDefaultAlpnKey, name: "no-default-alpn", ...noValue },
  { key: 3, name: "port", expected: "a number from 0 to 65535", parse: parsePort, format: formatPort },
  hints(4, "ipv4hint", "IPv4", 4, parseIpv4),
  {
    key: 5,
    name: "ech",
    expected: "base64 (RFC 4648 §4)",
    parse: decodeBase64,
    format: (octets) => (octets.length === 0 ? null : Buffer.from(octets).toString("base64")),
  },
  hints(6, "ipv6hint", "IPv6", 16, parseIpv6),
  {
    key: 7,
    name: "dohpath",
    expected: "a URI template (RFC 9461 §5)",
    parse: (value) => (value === "" ? null : decodeText(value)),
    format: (octets) => (octets.length === 0 ? null : quoteText(octets)),
  },
  { key: 8, name: "ohttp", ...noValue },
];

const parametersByKey: ReadonlyMap<number, Parameter> = new Map(
  parameters.map((parameter) => [parameter.key, parameter]),
);
const parametersByName: ReadonlyMap<string, Parameter> = new Map(
  parameters.map((parameter) => [parameter.name, parameter]),
);

/** All parameters, in any order in text and sorted by key on the wire. Comes after the priority and the target. */
export const svcParams: Field = {
  name: "key=value ...",
  optional: true,
  parse(words, rdata) {
    const values = new Map<number, Uint8Array>();
    while (words.left > 0) if (!parseParameter(words, values)) return false;
    const isAlias = rdata[0] === 0 && rdata[1] === 0;
    const fault = faultOf(values, isAlias);
    if (fault !== null) return words.refuse(fault);
    for (const key of [...values.keys()].sort((a, b) => a - b)) {
      const octets = values.get(key) ?? [];
      pushInteger(rdata, key, 2);
      pushInteger(rdata, octets.length, 2);
      pushOctets(rdata, octets);
    }
    return true;
  },
  format(rdata, at, texts) {
    const values = readParameters(rdata, at);
    if (values === null || faultOf(values, u16(rdata, 0) === 0) !== null) return -1;
    for (const [key, octets] of values) {
      const text = formatParameter(key, octets);
      if (text === null) return -1;
      texts.push(text);
    }
    return rdata.length;
  },
};

/** What is wrong with the parameters together; null if nothing is. */
function faultOf(values: ReadonlyMap<number, Uint8Array>, isAlias: boolean): string | null {
  if (isAlias && values.size > 0) {
    return "priority 0 is AliasMode, in which parameters mean nothing: leave them out (RFC 9460 §2.4.2)";
  }
  if (values.has(noDefaultAlpnKey) && !values.has(alpnKey)) {
    return "no-default-alpn leaves no protocol at all without alpn (RFC 9460 §7.1.1)";
  }
  const mandatory = values.get(mandatoryKey) ?? new Uint8Array(0);
  for (let at = 0; at + 2 <= mandatory.length; at += 2) {
    const key = u16(mandatory, at);
    if (!values.has(key)) return `mandatory names ${keyName(key)}, which is not there (RFC 9460 §8)`;
  }
  return null;
}

/** Reads `key` or `key=value` into `values`; false after it has refused. */
function parseParameter(words: RdataWords, values: Map<number, Uint8Array>): boolean {
  const text = words.takePlain("parameter");
  if (text === null) return false;
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const value = equals < 0 ? "" : text.slice(equals + 1);
  const key = keyOf(name);
  if (key === null) {
    const known = [...parametersByName.keys()].join(", ");
    return words.refuse(`"${name}" is not a parameter: expected one of ${known}, or key0 to key65534`);
  }
  if (values.has(key)) return words.refuse(`${keyName(key)} is given twice`);
  // A known parameter written by its number carries octets as they are, so they are checked after.
  const known = parametersByName.get(name);
  const octets = known === undefined ? decodeText(value) : known.parse(value);
  const bytes = octets === null ? null : Uint8Array.from(octets);
  if (bytes === null || bytes.length > 0xffff || formatParameter(key, bytes) === null) {
    const expected =
      parametersByKey.get(key)?.expected ?? "octets, with \\DDD for those that are not printable";
    return words.refuse(`"${value}" is not right for ${name}: expected ${expected}`);
  }
  values.set(key, bytes);
  return true;
}

/** The parameters on the wire from `at` on; null where their keys do not ascend or their lengths do not fit. */
function readParameters(rdata: Uint8Array, at: number): ReadonlyMap<number, Uint8Array> | null {
  const values = new Map<number, Uint8Array>();
  let last = -1;
  for (let next = at; next < rdata.length; ) {
    if (next + 4 > rdata.length) return null;
    const key = u16(rdata, next);
    const end = next + 4 + u16(rdata, next + 2);
    if (key <= last || key === invalidKey || end > rdata.length) return null;
    values.set(key, rdata.slice(next + 4, end));
    last = key;
    next = end;
  }
  return values;
}

function formatParameter(key: number, octets: Uint8Array): string | null {
  const parameter = parametersByKey.get(key);
  const value = parameter === undefined ? formatUnknown(octets) : parameter.format(octets);
  if (value === null) return null;
  return value === "" ? keyName(key) : `${keyName(key)}=${value}`;
}

function formatUnknown(octets: Uint8Array): string {
  return octets.length === 0 ? "" : quoteText(octets);
}

function keyName(key: number): string {
  return parametersByKey.get(key)?.name ?? `key${key}`;
}

/** The key of `alpn` or `key1`; null for another word. */
function keyOf(name: string): number | null {
  const known = parametersByName.get(name);
  if (known !== undefined) return known.key;
  const key = /^key0\d/.test(name) ? null : numberAfter("key", name);
  return key === invalidKey ? null : key;
}

function parseMandatory(value: string): readonly number[] | null {
  const keys = value.split(",").map(keyOf);
  const sorted = keys.filter((key) => key !== null).sort((a, b) => a - b);
  if (sorted.length < keys.length || new Set(sorted).size < keys.length) return null;
  return sorted.flatMap((key) => [key >> 8, key & 0xff]);
}

function formatMandatory(octets: Uint8Array): string | null {
  if (octets.length === 0 || octets.length % 2 !== 0) return null;
  const names: string[] = [];
  // Key 0 is mandatory itself, so ascending from there leaves it out.
  let last: number = mandatoryKey;
  for (let at = 0; at < octets.length; at += 2) {
    const key = u16(octets, at);
    if (key <= last || key === invalidKey) return null;
    names.push(keyName(key));
    last = key;
  }
  return names.join(",");
}

/** A comma ends a protocol unless a backslash stands before it, in the string as decoded (RFC 9460 Appendix A.1). */
function parseAlpn(value: string): readonly number[] | null {
  const decoded = decodeText(value);
  if (decoded === null) return null;
  const protocols: number[][] = [[]];
  for (let i = 0; i < decoded.length; i += 1) {
    let octet = decoded[i] ?? 0;
    if (octet === comma) {
      protocols.push([]);
      continue;
    }
    if (octet === backslash) {
      i += 1;
      octet = decoded[i] ?? 0;
      if (octet !== comma && octet !== backslash) return null;
    }
    protocols.at(-1)?.push(octet);
  }
  if (protocols.some((protocol) => protocol.length === 0 || protocol.length > 255)) return null;
  return protocols.flatMap((protocol) => [protocol.length, ...protocol]);
}

function formatAlpn(octets: Uint8Array): string | null {
  if (octets.length === 0) return null;
  const list: number[] = [];
  for (let at = 0; at < octets.length; ) {
    const end = at + 1 + u8(octets, at);
    if (end === at + 1 || end > octets.length) return null;
    if (at > 0) list.push(comma);
    for (const octet of octets.slice(at + 1, end)) {
      if (octet === comma || octet === backslash) list.push(backslash);
      list.push(octet);
    }
    at = end;
  }
  return quoteText(list);
}

function parsePort(value: string): readonly number[] | null {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 0xffff) return null;
  return [Number(value) >> 8, Number(value) & 0xff];
}

function formatPort(octets: Uint8Array): string | null {
  return octets.length === 2 ? String(u16(octets, 0)) : null;
}

/** One or more addresses of a family, with commas between them. */
function hints(
  key: number,
  name: string,
  family: string,
  length: number,
  parseOne: (text: string) => Uint8Array | null,
): Parameter {
  return {
    key,
    name,
    expected: `${family} addresses with commas between them`,
    parse(value) {
      const octets: number[] = [];
      for (const text of value.split(",")) {
        const address = parseOne(text);
        if (address === null) return null;
        octets.push(...address);
      }
      return octets;
    },
    format(octets) {
      if (octets.length === 0 || octets.length % length !== 0) return null;
      const texts: string[] = [];
      for (let at = 0; at < octets.length; at += length) {
        texts.push(formatAddress(octets.slice(at, at + length)));
      }
      return texts.join(",");
    },
  };
}
