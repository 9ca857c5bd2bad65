/** The keys of signed zones, and where a rollover stands. Keys are changed by commands, which need the files. */

import Type, { type Static } from "typebox";
import { algorithmName } from "../../dnssec/algorithm.ts";
import { STEPS } from "../../dnssec/rollover.ts";
import type { Desk } from "../desk.ts";
import type { SignedZoneView } from "../key-roller.ts";
import type { Api } from "./api.ts";
import { next, pageOf, pageQuery } from "./page.ts";
import { errorBody, formatMoment, formatOptionalMoment, moment, nullable, object, oneOf } from "./schemas.ts";

const step = oneOf(STEPS, "a step of a rollover");
const looks = ["right", "old", "other", "none", "unknown"] as const;

const listed = object({
  zone: Type.String({ description: "the apex, as the config has it" }),
  keys: Type.Array(
    object({
      tag: Type.Integer({ description: "a key tag" }),
      algorithm: oneOf(["ecdsap256sha256", "ed25519"], "an algorithm"),
      published: Type.Boolean({ description: "whether the DNSKEY RRset has it" }),
      inCds: Type.Boolean({ description: "whether CDS asks the parent for its DS" }),
      signs: Type.Array(oneOf(["keys", "data"], "keys: the DNSKEY RRset; data: the rest")),
    }),
  ),
  rollover: nullable(
    object(
      {
        by: Type.String({ description: "the node that rolls the keys" }),
        step,
        from: Type.Array(Type.Integer({ description: "the tag of a key that goes" })),
        to: Type.Array(
          Type.Integer({ description: "the tag of a key that comes; while idle, that is there" }),
        ),
        servedSince: nullable(moment),
        nextStep: nullable(step),
        until: nullable(moment),
        why: Type.String({ description: "what is so, and what is waited for" }),
        parent: nullable(
          object({
            ds: oneOf(looks, "how the DS at the parent is"),
            lookedAt: moment,
            why: Type.String({ description: "what was seen there" }),
          }),
        ),
      },
      { description: "Where the keys stand; null where they change by hand alone." },
    ),
  ),
});
const list = object({ zones: Type.Array(listed), next }, { description: "Signed zones." });

export function keyRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/keys",
    {
      config: { access: "reader" },
      schema: {
        summary: "The keys of signed zones, and where their rollover stands",
        tags: ["keys"],
        querystring: pageQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(desk.signedZones(), ({ zone }) => zone.label, query);
      return { zones: entries.map(viewOf), next };
    },
  );
}

function viewOf(view: SignedZoneView): Static<typeof listed> {
  const { zone, keys, state, look } = view;
  return {
    zone: zone.label,
    keys: keys.map(({ key, isPublished, isInCds, signs }) => ({
      tag: key.tag,
      algorithm: algorithmName(key.algorithm),
      published: isPublished,
      inCds: isInCds,
      signs: [...signs],
    })),
    rollover: state && {
      by: state.by,
      step: state.step,
      from: state.from.map(({ tag }) => tag),
      to: state.to.map(({ tag }) => tag),
      servedSince: formatOptionalMoment(state.servedMs),
      nextStep: view.nextStep,
      until: formatOptionalMoment(view.untilMs),
      why: view.why,
      parent: look && { ds: look.kind, lookedAt: formatMoment(look.atMs), why: look.why },
    },
  };
}
