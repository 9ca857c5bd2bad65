/** Checks requests against the schemas of their routes, and says in one go all that is wrong. */

import type { FastifySchemaCompiler } from "fastify";
import Type, { type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Value } from "typebox/value";
import { didYouMean } from "../../suggest.ts";
import type { Api } from "./api.ts";
import { badRequest } from "./errors.ts";
import { object } from "./schemas.ts";

/** How much of a wrong value a message repeats. */
const EXCERPT_LENGTH = 80;

/** The validator of all routes. A URL is all text; its numbers become numbers before it is checked. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  return (value: unknown) => {
    const isText = httpPart === "querystring" || httpPart === "params";
    const read = isText ? withNumbers(schema, value) : value;
    return validator.Check(read) ? { value: read } : { error: badRequest(problemsIn(schema, read, "")) };
  };
};

/** Has routes under `/v1` that take no query refuse one: who only wants to try what cannot be tried must not have it done. */
export function refuseUnknownQueries(app: Api): void {
  app.addHook("onRoute", ({ url, schema }) => {
    if (url.startsWith("/v1") && schema !== undefined) schema.querystring ??= object({});
  });
}

/**
 * Says what a value lacks to fit a schema: `target: expected …, got …`. What is expected is the `description` of the
 * schema, so that errors and the OpenAPI document use the same words.
 *
 * Of alternatives told apart by `kind`, only the one that the value names is looked into.
 */
function problemsIn(schema: TSchema, value: unknown, path: string): readonly string[] {
  if (Value.Check(schema, value)) return [];
  if (Type.IsUnion(schema) && isObject(value)) {
    const alternatives = alternativesByKind(schema.anyOf);
    if (alternatives === null) return [expectation(schema, value, path)];
    const { kind } = value;
    const chosen = alternatives.get(String(kind));
    if (chosen !== undefined) return problemsIn(chosen, value, path);
    const kinds = [...alternatives.keys()];
    const hint = typeof kind === "string" ? didYouMean(kind, kinds) : "";
    return [`${join(path, "kind")}: expected one of ${kinds.join(", ")}, got ${excerpt(kind)}${hint}`];
  }
  if (!Type.IsObject(schema) || !isObject(value)) return [expectation(schema, value, path)];
  const known = Object.keys(schema.properties);
  // Headers that a route does not know are none of its business.
  const isClosed = "additionalProperties" in schema && schema.additionalProperties === false;
  const strangers = isClosed ? Object.keys(value).filter((key) => !known.includes(key)) : [];
  return [
    ...strangers.map((key) => `${join(path, key)}: unknown key${didYouMean(key, known)}`),
    ...Object.entries(schema.properties).flatMap(([key, property]) => {
      const isAbsent = value[key] === undefined;
      if (isAbsent)
        return Type.IsOptional(property) ? [] : [expectation(property, undefined, join(path, key))];
      return problemsIn(property, value[key], join(path, key));
    }),
  ];
}

/** Reads whole numbers where the schema wants them; other texts are left for the check to find. */
function withNumbers(schema: TSchema, value: unknown): unknown {
  if (!Type.IsObject(schema) || !isObject(value)) return value;
  const read = Object.entries(value).map(([key, text]) => {
    const isNumber =
      Type.IsInteger(schema.properties[key]) && typeof text === "string" && /^\d{1,15}$/.test(text);
    return [key, isNumber ? Number(text) : text];
  });
  return Object.fromEntries(read);
}

/** The alternatives by their literal `kind`; null: they are not all told apart by it. */
function alternativesByKind(schemas: readonly TSchema[]): ReadonlyMap<string, TSchema> | null {
  const byKind = new Map<string, TSchema>();
  for (const schema of schemas) {
    const kind = Type.IsObject(schema) ? schema.properties["kind"] : undefined;
    if (!Type.IsLiteral(kind)) return null;
    byKind.set(String(kind.const), schema);
  }
  return byKind;
}

function expectation(schema: TSchema, value: unknown, path: string): string {
  const expected = `expected ${wordsFor(schema)}, got ${excerpt(value)}`;
  return path === "" ? expected : `${path}: ${expected}`;
}

function wordsFor(schema: TSchema): string {
  if ("description" in schema && typeof schema.description === "string") return schema.description;
  if (Type.IsUnion(schema)) return schema.anyOf.map(wordsFor).join(" or ");
  if (Type.IsLiteral(schema)) return JSON.stringify(schema.const);
  return Type.IsObject(schema) ? "an object" : "another type of value";
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value);
  if (text === undefined) return "nothing";
  return text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}…` : text;
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
