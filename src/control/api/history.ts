/** The history of the facts: what changed when, and why. */

import Type, { type Static } from "typebox";
import type { Desk } from "../desk.ts";
import { describeEntry, type HistoryEntry } from "../history.ts";
import type { Api } from "./api.ts";
import { newestOf, newestQuery, next, type PageQuery } from "./page.ts";
import { aPastMoment, errorBody, formatMoment, moment, object, oneOf, pastMomentOf } from "./schemas.ts";

/** What history has. */
export const HISTORY_KINDS = ["verdict", "ranking", "override", "files"] as const;

const entry = object({
  sequence: Type.Integer({ description: "rises with each entry" }),
  at: moment,
  kind: oneOf(HISTORY_KINDS, "what has changed"),
  subject: Type.String({ description: "a VIP, a cell with its regions, or the id of an override" }),
  detail: Type.String({ description: "what it was from then on, and why, in a clause" }),
});

const page = object({ entries: Type.Array(entry), next }, { description: "Changes, the newest first." });

const pastMoment = Type.Optional(Type.String({ maxLength: 64, description: aPastMoment }));

interface Asked extends PageQuery {
  readonly vip?: string;
  readonly since?: string;
  readonly until?: string;
}

const query = newestQuery<Asked>({
  vip: Type.Optional(Type.String({ maxLength: 600, description: "a VIP; only its verdicts are given" })),
  since: pastMoment,
  until: pastMoment,
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
    async ({ query }) => {
      const { vip = null, since, until } = query;
      const nowMs = desk.nowMs();
      const sinceMs = since === undefined ? 0 : pastMomentOf("since", since, nowMs);
      const untilMs = until === undefined ? Number.MAX_SAFE_INTEGER : pastMomentOf("until", until, nowMs);
      const { entries, next } = await newestOf(
        query,
        (limit, before) => desk.history({ vip, sinceMs, untilMs, limit, before }),
        ({ sequence }) => sequence,
      );
      return { entries: entries.map(viewOf), next };
    },
  );
}

function viewOf(line: HistoryEntry): Static<typeof entry> {
  const kind = HISTORY_KINDS.find((candidate) => candidate === line.kind) ?? "files";
  const { sequence, atMs, subject } = line;
  return { sequence, at: formatMoment(atMs), kind, subject, detail: describeEntry(line) };
}
