/** The sets of files that came into force: which there are, what they said, and what is different between two. */

import Type, { type Static } from "typebox";
import { type DeclaredDiff, formatDiff } from "../declared-diff.ts";
import type { Desk } from "../desk.ts";
import type { Found, KeptSnapshot } from "../snapshots.ts";
import type { Api } from "./api.ts";
import { Failure } from "./errors.ts";
import { newestOf, newestQuery, next } from "./page.ts";
import { errorBody, formatOptionalMoment, moment, nullable, object, oneOf, version } from "./schemas.ts";

const path = Type.String({ description: "a path, relative to the folder of the config" });
const hash = nullable(Type.String({ description: "SHA-256; null: it could not be kept" }));

const snapshotKeys = {
  version,
  at: nullable(moment),
  author: nullable(Type.String({ description: "who put it in force" })),
  reason: nullable(Type.String({ description: "why" })),
  inForce: Type.Boolean({ description: "true of the one that serves" }),
};

const listedSnapshot = object({ ...snapshotKeys, files: Type.Array(object({ path, hash })) });

const snapshotList = object(
  { snapshots: Type.Array(listedSnapshot), next },
  { description: "Snapshots, the newest first." },
);

const wholeSnapshot = object(
  { ...snapshotKeys, files: Type.Array(object({ path, hash, text: Type.String() })) },
  { description: "A snapshot with what its files say." },
);

const changeKind = oneOf(["added", "removed", "changed"], "added, removed or changed");
const count = Type.Integer({ minimum: 0 });
const value = nullable(Type.String({ description: "as it is written; null: it is not there" }));

/** What is different between two sets of files. */
export const declaredDiff: Type.TUnsafe<DeclaredDiff> = Type.Unsafe<DeclaredDiff>(
  object({
    counts: object({ added: count, removed: count, changed: count }),
    differences: Type.Array(
      object({
        change: changeKind,
        kind: Type.String({
          description:
            "region, vantage, check, pool, member, policy, service, test, invariant, key, signed zone, RRset, or section",
        }),
        name: Type.String(),
        values: Type.Array(
          object({
            path: Type.String({ description: 'a key; "" where the thing itself is a value' }),
            before: value,
            after: value,
          }),
        ),
      }),
      { description: "the first thousand" },
    ),
    notes: Type.Array(Type.String(), { description: "what could be compared as text alone" }),
    files: Type.Array(
      object({
        path,
        change: changeKind,
        diff: Type.String({ description: "as diff -u has it" }),
        isCut: Type.Boolean({ description: "true where only the first 5,000 lines of the diff are there" }),
      }),
    ),
  }),
);

const snapshotDiff = object(
  {
    from: version,
    to: version,
    diff: declaredDiff,
    lines: Type.Array(Type.String(), { description: "for people" }),
  },
  { description: "What makes one snapshot into the other." },
);

/** The version of a snapshot, in a URL or a body. */
export const versionParameter: Type.TInteger = Type.Integer({
  minimum: 0,
  description: "the version of a snapshot",
});

export function snapshotRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/snapshots",
    {
      config: { access: "reader" },
      schema: {
        summary: "Which files came into force, when, by whom and why",
        tags: ["snapshots"],
        querystring: newestQuery(),
        response: { 200: snapshotList, default: errorBody },
      },
    },
    async ({ query }) => {
      const { entries, next } = await newestOf(
        query,
        (limit, before) => desk.snapshots.list(limit, before ?? Number.MAX_SAFE_INTEGER),
        ({ version }) => version,
      );
      return { snapshots: entries.map(viewOf), next };
    },
  );

  app.get(
    "/v1/snapshots/:version",
    {
      // Headers of checks may hold what a server wants to be shown.
      config: { access: "admin" },
      schema: {
        summary: "A snapshot, with what its files say",
        tags: ["snapshots"],
        params: object({ version: versionParameter }),
        response: { 200: wholeSnapshot, default: errorBody },
      },
    },
    async ({ params }) => {
      const { snapshot, texts } = orMissing(await desk.snapshots.texts(params.version));
      const said = [...texts.values()];
      const files = snapshot.files.map((file, i) => ({ ...file, text: said[i] ?? "" }));
      return { ...viewOf(snapshot), files };
    },
  );

  app.get(
    "/v1/snapshots/:from/diff/:to",
    {
      config: { access: "admin" },
      schema: {
        summary: "What is different between two snapshots",
        tags: ["snapshots"],
        params: object({ from: versionParameter, to: versionParameter }),
        response: { 200: snapshotDiff, default: errorBody },
      },
    },
    async ({ params: { from, to } }) => {
      const diff = orMissing(await desk.snapshots.diff(from, to));
      return { from, to, diff, lines: [...formatDiff(diff)] };
    },
  );
}

/** What was found, or 404. */
export function orMissing<T>(found: Found<T>): T {
  if (found.kind === "found") return found.value;
  throw new Failure(404, found.message);
}

function viewOf({
  version,
  atMs,
  author,
  reason,
  inForce,
  files,
}: KeptSnapshot): Static<typeof listedSnapshot> {
  return { version, at: formatOptionalMoment(atMs), author, reason, inForce, files: [...files] };
}
