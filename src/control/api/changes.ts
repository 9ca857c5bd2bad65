/** The changes that were made, version by version: the audit list without what makes no version. */

import Type, { type Static } from "typebox";
import type { Desk } from "../desk.ts";
import type { AuditEntry, AuditEvent } from "../store.ts";
import type { Api } from "./api.ts";
import { Failure } from "./errors.ts";
import { itemUrl, newestOf, newestQuery, next } from "./page.ts";
import { errorBody, formatMoment, moment, object, url, version } from "./schemas.ts";

const change = object(
  {
    version,
    url,
    at: moment,
    author: Type.String(),
    reason: Type.String(),
    events: Type.Array(
      object({
        sequence: Type.Integer({ description: "its place in the audit list" }),
        event: Type.String({ description: "override-set, files-loaded and so on" }),
        detail: Type.String({ description: "what exactly, in a clause" }),
      }),
    ),
  },
  { description: "A change." },
);

const list = object({ changes: Type.Array(change), next }, { description: "Changes, the newest first." });

export function changeRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/changes",
    {
      config: { access: "reader" },
      schema: {
        summary: "The changes that were made",
        tags: ["audit"],
        querystring: newestQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    async ({ query }) => {
      const { entries, next } = await newestOf(
        query,
        (limit, before) => changesBelow(desk, before).take(limit).toArray(),
        sequenceOf,
      );
      return { changes: [...entries], next };
    },
  );

  app.get(
    "/v1/changes/:version",
    {
      config: { access: "reader" },
      schema: {
        summary: "The change that made a version",
        tags: ["audit"],
        params: object({
          version: Type.String({ pattern: "^[0-9]{1,15}$", description: "a version" }),
        }),
        response: { 200: change, default: errorBody },
      },
    },
    ({ params }) => {
      const wanted = Number(params.version);
      const found = changesBelow(desk, endOf(wanted, desk)).find((one) => one.version <= wanted);
      if (found?.version === wanted) return found;
      throw new Failure(404, `no change made version ${wanted}; the last made ${desk.status().version}`);
    },
  );
}

/** So many entries of the audit list are read at once. */
const ENTRIES_READ = 500;

/** These say in which version they happened, and make none. */
const MAKES_NO_VERSION: ReadonlySet<AuditEvent> = new Set([
  "token-added",
  "token-removed",
  "keys-rolled",
  "address-locked",
  "entries-cut",
  "drill-begun",
  "drill-ended",
  "drill-aborted",
  "drill-refused",
  "store-restored",
]);

/** The `sequence` behind the entries of a version and of all before it: versions rise with it, so it is found by halves. */
function endOf(wanted: number, desk: Desk): number {
  let [low, high] = [0, desk.audit(1, null)[0]?.sequence ?? 0];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const [entry] = desk.audit(1, middle + 1);
    if (entry === undefined || entry.version <= wanted) low = middle;
    else high = middle - 1;
  }
  return low + 1;
}

/** That of the last of its events: what is older comes before it. */
function sequenceOf({ events }: Static<typeof change>): number {
  return events.at(-1)?.sequence ?? 0;
}

/** The newest first, of those whose entries have a `sequence` below `before` (null: all). */
function* changesBelow(desk: Desk, before: number | null): Generator<Static<typeof change>> {
  let entries: AuditEntry[] = [];
  for (const entry of entriesBelow(desk, before)) {
    if (MAKES_NO_VERSION.has(entry.event)) continue;
    const [newest] = entries;
    if (newest !== undefined && newest.version !== entry.version) {
      yield changeOf(newest, entries);
      entries = [];
    }
    entries.push(entry);
  }
  const [newest] = entries;
  if (newest !== undefined) yield changeOf(newest, entries);
}

function* entriesBelow(desk: Desk, before: number | null): Generator<AuditEntry> {
  for (let next = before; ; ) {
    const entries = desk.audit(ENTRIES_READ, next);
    yield* entries;
    if (entries.length < ENTRIES_READ) return;
    next = entries.at(-1)?.sequence ?? 0;
  }
}

/** Its events stand in their order in the audit list, the newest first. */
function changeOf(
  { version, atMs, author, reason }: AuditEntry,
  entries: readonly AuditEntry[],
): Static<typeof change> {
  return {
    version,
    url: itemUrl("changes", String(version)),
    at: formatMoment(atMs),
    author,
    reason,
    events: entries.map(({ sequence, event, detail }) => ({ sequence, event, detail })),
  };
}
