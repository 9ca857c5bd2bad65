/** The history of the facts: what changed when, and why. */

import Type from "typebox";
import type { Desk } from "../desk.ts";
import { describeEntry, type HistoryEntry } from "../history.ts";
import type { Api } from "./api.ts";
import { limitOf, limitText, sequenceText } from "./page.ts";
import {
  aPastMoment,
  errorBody,
  formatMoment,
  moment,
  nullable,
  object,
  oneOf,
  pastMomentOf,
} from "./schemas.ts";

const kinds = ["verdict", "ranking", "override", "files"] as const;

/** A line as the API gives it. */
export interface HistoryLine {
  readonly sequence: number;
  readonly at: string;
  readonly kind: (typeof kinds)[number];
  readonly subject: string;
  readonly detail: string;
}

const entry = Type.Unsafe<HistoryLine>(
  object({
    sequence: Type.Integer({ description: "rises with each entry" }),
    at: moment,
    kind: oneOf(kinds, "what has changed"),
    subject: Type.String({ description: "a VIP, a cell with its regions, or the id of an override" }),
    detail: Type.String({ description: "what it was from then on, and why, in a clause" }),
  }),
);

const page = object(
  { entries: Type.Array(entry), next: nullable(Type.String()) },
  { description: "Changes, the newest first." },
);

const pastMoment = Type.Optional(Type.String({ maxLength: 64, description: aPastMoment }));

const query = object({
  vip: Type.Optional(Type.String({ maxLength: 600, description: "a VIP; only its verdicts are given" })),
  since: pastMoment,
  until: pastMoment,
  limit: Type.Optional(limitText),
  after: Type.Optional(sequenceText),
});

export function historyRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/history",
    {
      config: { access: "reader" },
      schema: {
        summary: "What changed by itself or by order, when and why",
        tags: ["facts"],
        querystring: query,
        response: { 200: page, default: errorBody },
      },
    },
    ({ query: { vip, since, until, limit, after } }) => {
      const count = limitOf(limit);
      const nowMs = desk.nowMs();
      const found = desk.history({
        vip: vip ?? null,
        sinceMs: since === undefined ? 0 : pastMomentOf("since", since, nowMs),
        untilMs: until === undefined ? Number.MAX_SAFE_INTEGER : pastMomentOf("until", until, nowMs),
        limit: count + 1,
        before: after === undefined ? null : Number(after),
      });
      const entries = found.slice(0, count);
      const last = entries.at(-1);
      return {
        entries: entries.map(viewOf),
        next: last === undefined || found.length === entries.length ? null : String(last.sequence),
      };
    },
  );
}

function viewOf(line: HistoryEntry): HistoryLine {
  const kind = kinds.find((candidate) => candidate === line.kind) ?? "files";
  const { sequence, atMs, subject } = line;
  return { sequence, at: formatMoment(atMs), kind, subject, detail: describeEntry(line) };
}
