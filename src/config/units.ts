/** How numbers, durations and endpoints are written: from their texts, and back for messages. */

import { parseAddress } from "../wire/address.ts";
import type { Endpoint } from "./node.ts";

/** Inclusive bounds of a number or, in milliseconds, of a duration. */
export interface Range {
  readonly least: number;
  readonly most: number;
}

/** The ports a connection can be made to. */
export const portRange: Range = { least: 1, most: 65_535 };

const unitsMs: readonly (readonly [string, number])[] = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
  // The last, so that nothing is written in days: every number of them is one of hours.
  ["d", 86_400_000],
];

/** `1.5s` in milliseconds; null where the text is no duration, or not whole in milliseconds. */
export function parseDuration(text: string): number | null {
  const [, digits, unit] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const unitMs = unitsMs.find(([name]) => name === unit)?.[1];
  if (digits === undefined || unitMs === undefined) return null;
  // Rounded to a microsecond, because 1.001 * 1000 is a little less than 1001.
  const value = Math.round(Number(digits) * unitMs * 1000) / 1000;
  return Number.isInteger(value) ? value : null;
}

/** A duration in its largest whole unit, as an operator would write it. */
export function formatDuration(ms: number): string {
  const [unit, unitMs] = unitsMs.find(([, size]) => ms > 0 && ms % size === 0) ?? ["ms", 1];
  return `${ms / unitMs}${unit}`;
}

/** A decimal number; null where the text is none. Exponents and other bases are refused: nobody counts servers so. */
export function parseNumber(text: string): number | null {
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : null;
}

/** A decimal number without a fraction; null where the text is none. */
export function parseWholeNumber(text: string): number | null {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : null;
}

/** `127.0.0.1:53` or `[::1]:53`; null where the text is no endpoint. */
export function parseEndpoint(text: string): Endpoint | null {
  const [, ipv6, ipv4, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseAddress(ipv6 ?? ipv4 ?? "");
  if (address === null || address.family !== (ipv6 === undefined ? 4 : 6)) return null;
  return Number(port) > portRange.most ? null : { address, port: Number(port) };
}

/** `192.0.2.53`, for port 53 of it, or an endpoint; null where the text is neither. */
export function parseDnsServer(text: string): Endpoint | null {
  const address = parseAddress(text);
  return address === null ? parseEndpoint(text) : { address, port: 53 };
}

/** Made once: `toLocaleString` looks its locale up each time, an eighth of what reading 2,000 services took. */
const COUNTS = new Intl.NumberFormat("en-US");

/** A number with its thousands apart: `65,535`. */
export function formatCount(value: number): string {
  return COUNTS.format(value);
}

/** So many of something that gets an "s": `1 vantage`, `2 vantages`. */
export function formatQuantity(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

/** The bounds in words: `from 1 to 65,535`. */
export function formatNumberRange(range: Range): string {
  return `from ${formatCount(range.least)} to ${formatCount(range.most)}`;
}

/** The bounds in words: `from 100ms to 1h`. */
export function formatDurationRange(range: Range): string {
  return `from ${formatDuration(range.least)} to ${formatDuration(range.most)}`;
}
