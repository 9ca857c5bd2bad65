/** Schemas that several routes share. Their descriptions finish the sentence "expected …". */

import Type, { type TSchema } from "typebox";
import { parseDuration } from "../../config/units.ts";
import type { Problem } from "../../problem.ts";
import { badRequest, PROBLEM_CODES, PROBLEM_JSON, type ProblemDetails } from "./errors.ts";

/** An object with these keys and no others. */
export function object<P extends Type.TProperties>(
  properties: P,
  options: Type.TObjectOptions = {},
): Type.TObject<P> {
  return Type.Object(properties, { additionalProperties: false, ...options });
}

/** A value, or null where there is none. */
export function nullable<S extends TSchema>(schema: S): Type.TUnion<[S, Type.TNull]> {
  return Type.Union([schema, Type.Null()]);
}

/** One of a few words. */
export function oneOf<const W extends readonly string[]>(
  words: W,
  description: string,
): Type.TUnsafe<W[number]> {
  return Type.Unsafe<W[number]>({ type: "string", enum: words, description });
}

/** A family of addresses. */
export const family: Type.TUnsafe<"ipv4" | "ipv6"> = oneOf(["ipv4", "ipv6"], "ipv4 or ipv6");

/** The same of an address. */
export function familyName(family: 4 | 6): "ipv4" | "ipv6" {
  return family === 4 ? "ipv4" : "ipv6";
}

/** A moment, in UTC. */
export const moment: Type.TString = Type.String({
  format: "date-time",
  description: "a time such as 2026-01-01T00:00:00.000Z",
});

/** Where one thing of a list is. */
export const url: Type.TString = Type.String({ format: "uri-reference", description: "where it is" });

/** The path of one thing of a list. */
export function idParameter(what: string): Type.TObject<{ id: Type.TString }> {
  return object({ id: Type.String({ description: `${what}, percent-encoded` }) });
}

/** The version that a change made. */
export const version: Type.TInteger = Type.Integer({ minimum: 0, description: "a version" });

/** One mistake in a request or file. */
export const problem: Type.TUnsafe<Problem> = Type.Unsafe<Problem>(
  object({
    file: Type.String({ description: 'a file, or "request"' }),
    line: Type.Integer({ minimum: 0, description: "a line; 0: the whole file is meant" }),
    column: Type.Integer({ minimum: 0, description: "a column; 0: the whole line is meant" }),
    message: Type.String({ description: "what was found, and what would be right" }),
    details: Type.Optional(
      Type.Array(Type.String(), { description: "lines that show it, such as the counterexample to a rule" }),
    ),
  }),
);

const problemDetails = Type.Unsafe<ProblemDetails>(
  object({
    type: Type.String({ format: "uri-reference", description: "where problems of this code are explained" }),
    title: Type.String({ description: "what problems of this code have in common, for people" }),
    status: Type.Integer({ minimum: 400, maximum: 599, description: "the status of the response" }),
    detail: Type.String({ description: "what it is this time, for people" }),
    instance: Type.Optional(
      Type.String({ format: "uri", description: "what the log of the node calls this case" }),
    ),
    code: oneOf(PROBLEM_CODES, "the last part of the type, for programs"),
    problems: Type.Optional(Type.Array(problem)),
  }),
);

/** Every response that is no success (RFC 9457). */
export const errorBody: {
  readonly description: string;
  readonly content: {
    readonly [PROBLEM_JSON]: { readonly schema: Type.TUnsafe<ProblemDetails> };
  };
} = {
  description: "What went wrong.",
  content: { [PROBLEM_JSON]: { schema: problemDetails } },
};

/** What a moment to come may be in a request. */
export const aMoment = "a time such as 2026-01-01T00:00:00Z, or one from now such as +10m";

/** A time with its zone, or a duration from now after a plus sign, in the future or not. `key` says where it stands. */
export function momentOf(key: string, text: string, nowMs: number): number {
  const ms = text.startsWith("+") ? fromNow(text.slice(1), nowMs) : parseMoment(text);
  if (ms !== null) return ms;
  throw badRequest([`${key}: expected ${aMoment}, got ${JSON.stringify(text)}`]);
}

function fromNow(duration: string, nowMs: number): number | null {
  const ms = parseDuration(duration);
  return ms === null ? null : nowMs + ms;
}

/** What a moment of the past may be in a request. */
export const aPastMoment = "a time such as 2026-01-01T00:00:00Z, or one before now such as -10m";

/** A time with its zone, or a duration before now after a minus sign. `key` says where it stands. */
export function pastMomentOf(key: string, text: string, nowMs: number): number {
  const agoMs = text.startsWith("-") ? parseDuration(text.slice(1)) : null;
  const ms = agoMs === null ? parseMoment(text) : nowMs - agoMs;
  if (ms !== null) return ms;
  throw badRequest([`${key}: expected ${aPastMoment}, got ${JSON.stringify(text)}`]);
}

/** RFC 3339; `Date.parse` alone would take a time without a zone as local. */
function parseMoment(text: string): number | null {
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const ms = isMoment ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** The text of a moment. */
export function formatMoment(ms: number): string {
  return new Date(ms).toISOString();
}

/** The text of a moment that may not be there. */
export function formatOptionalMoment(ms: number | null): string | null {
  return ms === null ? null : formatMoment(ms);
}
