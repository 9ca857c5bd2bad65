/** The audit list: who changed what, when and why. */

import Type, { type Static } from "typebox";
import { CHAINS } from "../chain.ts";
import type { Desk } from "../desk.ts";
import type { AuditEntry } from "../store.ts";
import { formatStoreReport } from "../verify-store.ts";
import type { Api } from "./api.ts";
import { newestOf, newestQuery, next } from "./page.ts";
import { errorBody, formatMoment, moment, nullable, object, oneOf, version } from "./schemas.ts";

const entry = object({
  sequence: Type.Integer({ description: "one more with each entry" }),
  version,
  at: moment,
  author: Type.String({ description: "the name of a token, or who else made the change" }),
  reason: Type.String(),
  event: Type.String({ description: "override-set, override-ended, files-loaded, token-added and so on" }),
  detail: Type.String({ description: "what exactly, in a clause" }),
});

const page = object({ entries: Type.Array(entry), next }, { description: "Changes, the newest first." });

const head = Type.String({
  pattern: "^[0-9a-f]{64}$",
  description: "64 hexadecimal digits: a head that was given, printed or logged before",
});

const report = object(
  {
    sound: Type.Boolean({ description: "true: nothing is wrong" }),
    chains: Type.Array(
      object({
        chain: oneOf(CHAINS, "a chain"),
        records: Type.Integer({ description: "how many there are before the first that is wrong" }),
        cut: nullable(
          object(
            { sequence: Type.Integer(), hash: head },
            {
              description:
                "the record before the first, up to which it was cut off; null: none is missing there",
            },
          ),
        ),
        head: nullable(object({ sequence: Type.Integer(), hash: head })),
        fault: nullable(
          object({
            kind: oneOf(
              ["altered", "replaced", "missing", "inserted", "unreadable"],
              "what is wrong with the record",
            ),
            sequence: Type.Integer(),
          }),
        ),
      }),
    ),
    lostHeads: Type.Array(head, {
      description: "heads that are no record's: the end was cut off, or written anew",
    }),
    lines: Type.Array(Type.String(), { description: "all of it for people" }),
  },
  { description: "Whether all that is on record is as it was written." },
);

export function auditRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/audit",
    {
      config: { access: "reader" },
      schema: {
        summary: "Who changed what, when and why",
        tags: ["audit"],
        querystring: newestQuery(),
        response: { 200: page, default: errorBody },
      },
    },
    async ({ query }) => {
      const { entries, next } = await newestOf(
        query,
        (limit, before) => desk.audit(limit, before),
        ({ sequence }) => sequence,
      );
      return { entries: entries.map(viewOf), next };
    },
  );

  app.get(
    "/v1/audit/verify",
    {
      config: { access: "reader" },
      schema: {
        summary: "Whether what is on record is as it was written",
        tags: ["audit"],
        querystring: object({ head: Type.Optional(head) }),
        response: { 200: report, default: errorBody },
      },
    },
    async ({ query }) => {
      const heads = query.head === undefined ? [] : [query.head];
      const found = await desk.verify(heads);
      return {
        sound: found.sound,
        chains: found.chains.map(({ chain, records, cut, head, fault }) => ({
          chain,
          records,
          cut,
          head,
          fault,
        })),
        lostHeads: [...found.lostHeads],
        lines: [...formatStoreReport(found, heads.length)],
      };
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
