/** What probes of several types read alike from a check. */

import type { TlsProbeSpec } from "./check.ts";
import type { keys } from "./keys.ts";
import type { Fields } from "./read.ts";
import { portRange } from "./units.ts";

export type CheckKey = (typeof keys)["checks.*"][number];
export type ExpectKey = (typeof keys)["checks.*.expect"][number];

/** The values of one check, and of its `expect`. */
export type CheckFields = Fields<CheckKey>;
export type ExpectFields = Fields<ExpectKey>;

const validForRange = { least: 0, most: 8_760 * 3_600_000 };

/** `usual`: where none is given. */
export function parsePort(check: CheckFields, usual: number): number {
  return check.optional("port")?.wholeNumber(portRange) ?? usual;
}

/** NaN where there is none, which is a problem by then. */
export function requiredPort(check: CheckFields): number {
  return check.required("port")?.wholeNumber(portRange) ?? Number.NaN;
}

/** The name that a server is asked by; null: its address. */
export function parseHost(check: CheckFields): string | null {
  return check.optional("host")?.matching(/^[A-Za-z0-9._-]+$/, "a host name without a port") ?? null;
}

export function parseTls(check: CheckFields, expect: ExpectFields | null): TlsProbeSpec {
  return {
    insecure: check.optional("insecure")?.boolean() ?? false,
    validForMs: expect?.optional("validFor")?.duration(validForRange) ?? 0,
  };
}
