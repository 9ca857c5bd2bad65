/**
 * The file that says where a zone stands with its keys. It lies beside them, so that what is copied to other nodes, or into a
 * backup, is whole.
 */

import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { Algorithm } from "../dnssec/algorithm.ts";
import { KEY_FOLDER, keyFilePrefix } from "../dnssec/key-name.ts";
import { type KeyState, STEPS, type Step } from "../dnssec/rollover.ts";
import type { NotedTtl } from "../dnssec/rollover-waits.ts";
import type { Checked } from "../problem.ts";
import type { Name } from "../wire/name.ts";
import type { FileReader } from "./files.ts";

/** As in `Kgslb.example.+state.json`. */
const SUFFIX = "state.json";

const closed = { additionalProperties: false };
const orNull = <S extends Type.TSchema>(schema: S): Type.TUnion<[S, Type.TNull]> =>
  Type.Union([schema, Type.Null()]);
const time = Type.String({ format: "date-time" });
const seconds = Type.Integer({ minimum: 0 });
const keys = Type.Array(
  Type.Object(
    {
      algorithm: Type.Union([Type.Literal(Algorithm.EcdsaP256Sha256), Type.Literal(Algorithm.Ed25519)]),
      tag: Type.Integer({ minimum: 0, maximum: 65_535 }),
    },
    closed,
  ),
);
const ttl = orNull(Type.Object({ seconds, current: seconds, since: time }, closed));

/** What the file holds: a `KeyState` with its times as people read them. */
const schema = Type.Object(
  {
    by: Type.String({ minLength: 1 }),
    step: Type.Unsafe<Step>({ type: "string", enum: STEPS }),
    from: keys,
    to: keys,
    served: orNull(time),
    ds: orNull(Type.Object({ right: time, byHand: Type.Boolean() }, closed)),
    ttls: Type.Object({ dnskey: ttl, zone: ttl, ds: ttl }, closed),
  },
  closed,
);
const validator = Compile(schema);

/** The path of the file. */
export function keyStatePath(stateFolder: string, apex: Name): string {
  return join(stateFolder, KEY_FOLDER, keyFilePrefix(apex) + SUFFIX);
}

/** What the file says; null without problems: there is none. */
export function readKeyState(stateFolder: string, apex: Name, reader: FileReader): Checked<KeyState> {
  const file = keyStatePath(stateFolder, apex);
  const text = reader.text(file);
  if (text === null) return { value: null, problems: [] };
  const value = parseKeyState(text);
  if (value !== null) return { value, problems: [] };
  const message = "no state of keys: expected the file as the node wrote it that rolls them";
  return { value: null, problems: [{ file, line: 0, column: 0, message }] };
}

/** Replaces the file as a whole; a crash leaves the state before or this one. */
export function writeKeyState(stateFolder: string, apex: Name, state: KeyState): void {
  const path = keyStatePath(stateFolder, apex);
  const file = openSync(`${path}.tmp`, "w", 0o644);
  try {
    writeSync(file, formatKeyState(state));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.tmp`, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** The text of the file. */
export function formatKeyState({ by, step, from, to, servedMs, ds, ttls }: KeyState): string {
  const file: Static<typeof schema> = {
    by,
    step,
    from: [...from],
    to: [...to],
    served: servedMs === null ? null : formatTime(servedMs),
    ds: ds && { right: formatTime(ds.rightMs), byHand: ds.byHand },
    ttls: { dnskey: formatTtl(ttls.dnskey), zone: formatTtl(ttls.zone), ds: formatTtl(ttls.ds) },
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** The state in a text; null: it is none. */
export function parseKeyState(text: string): KeyState | null {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch {
    return null;
  }
  if (!validator.Check(file)) return null;
  const { by, step, from, to, served, ds, ttls } = file;
  if (to.length === 0 || (step === "idle") !== (from.length === 0)) return null;
  return {
    by,
    step,
    from,
    to,
    servedMs: served === null ? null : Date.parse(served),
    ds: ds && { rightMs: Date.parse(ds.right), byHand: ds.byHand },
    ttls: { dnskey: parseTtl(ttls.dnskey), zone: parseTtl(ttls.zone), ds: parseTtl(ttls.ds) },
  };
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}

function formatTtl(noted: NotedTtl | null): Static<typeof ttl> {
  return noted && { seconds: noted.seconds, current: noted.current, since: formatTime(noted.sinceMs) };
}

function parseTtl(noted: Static<typeof ttl>): NotedTtl | null {
  return noted && { seconds: noted.seconds, current: noted.current, sinceMs: Date.parse(noted.since) };
}
