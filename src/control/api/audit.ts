/** The audit list: who changed what, when and why. */

import Type, { type Static } from "typebox";
import type { Desk } from "../desk.ts";
import type { AuditEntry } from "../store.ts";
import type { Api } from "./api.ts";
import { limitOf, limitText } from "./page.ts";
import { errorBody, formatMoment, moment, nullable, object, version } from "./schemas.ts";

const entry = object({
  sequence: Type.Integer({ description: "rises with each entry" }),
  version,
  at: moment,
  author: Type.String({ description: "the name of a token, or who else made the change" }),
  reason: Type.String(),
  event: Type.String({ description: "override-set, override-ended, files-loaded, token-added and so on" }),
  detail: Type.String({ description: "what exactly, in a clause" }),
});

const page = object(
  {
    entries: Type.Array(entry),
    next: nullable(Type.Integer({ description: "the `before` of the next page; null: this is the last" })),
  },
  { description: "Changes, the newest first." },
);

const query = object({
  limit: Type.Optional(limitText),
  before: Type.Optional(
    Type.Integer({ minimum: 1, description: "a sequence number; only older entries are given" }),
  ),
});

export function auditRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/audit",
    {
      config: { access: "reader" },
      schema: {
        summary: "Who changed what, when and why",
        tags: ["audit"],
        querystring: query,
        response: { 200: page, default: errorBody },
      },
    },
    ({ query: { limit, before } }) => {
      const count = limitOf(limit);
      const found = desk.audit(count + 1, before ?? null);
      const entries = found.slice(0, count);
      const next = found.length > count ? (entries.at(-1)?.sequence ?? null) : null;
      return { entries: entries.map(viewOf), next };
    },
  );
}

function viewOf({
  sequence,
  version,
  atMs,
  author,
  reason,
  event,
  detail,
}: AuditEntry): Static<typeof entry> {
  return { sequence, version, at: formatMoment(atMs), author, reason, event, detail };
}
