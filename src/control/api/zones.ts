/** Zones and their RRsets, as dns has them: with what signing puts into them, without the signatures. */

import Type, { type Static } from "typebox";
import { rrTypeName } from "../../wire/codes.ts";
import { formatName, nameKey, parseName } from "../../wire/name.ts";
import { formatRdata } from "../../zone/rdata.ts";
import type { Zone, ZoneNode } from "../../zone/zone.ts";
import { serialOf } from "../axfr.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { badRequest, Failure } from "./errors.ts";
import { itemOf, itemUrl, limitOf, next, type PageQuery, pageOf, pageQuery } from "./page.ts";
import { errorBody, idParameter, nullable, object, url } from "./schemas.ts";

const zoneSchema = object(
  {
    zone: Type.String({ description: "its apex, with the final dot" }),
    url,
    rrsetsUrl: url,
    serial: Type.Integer({ minimum: 0, description: "the serial of its SOA" }),
    names: Type.Integer({ minimum: 1, description: "how many owner names it has" }),
    signed: Type.Boolean(),
    file: Type.String(),
  },
  { description: "A zone." },
);

const rrsetSchema = object({
  name: Type.String({ description: "the owner name, with the final dot" }),
  type: Type.String({ description: "STEER: the owner is answered as a service is, whose name is the RDATA" }),
  ttlSeconds: nullable(Type.Integer({ minimum: 0, description: "null: the service says" })),
  rdatas: Type.Array(Type.String(), { description: "in presentation form" }),
});

const zones = object({ zones: Type.Array(zoneSchema), next }, { description: "All zones." });
const rrsets = object(
  { rrsets: Type.Array(rrsetSchema), next },
  { description: "RRsets by owner name, in the order of the zone file." },
);

const rrsetQuery = pageQuery<PageQuery & { readonly name?: string; readonly type?: string }>({
  name: Type.Optional(
    Type.String({ maxLength: 1_100, description: "an owner name; only its RRsets are given" }),
  ),
  type: Type.Optional(
    Type.String({ maxLength: 20, description: "an RR type such as MX; only such RRsets are given" }),
  ),
});

export function zoneRoutes(app: Api, desk: Desk): void {
  const zoneNamed = (id: string): Zone => {
    const wanted = `${id.toLowerCase().replace(/\.$/, "")}.`;
    return itemOf("zone", desk.snapshot().zones, ({ apex }) => formatName(apex).toLowerCase(), wanted);
  };

  app.get(
    "/v1/zones",
    {
      config: { access: "reader" },
      schema: {
        summary: "What this node is authoritative for",
        tags: ["zones"],
        querystring: pageQuery(),
        response: { 200: zones, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf(desk.snapshot().zones, ({ apex }) => formatName(apex), query);
      return { zones: entries.map((zone) => zoneOf(zone, desk)), next };
    },
  );

  app.get(
    "/v1/zones/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A zone",
        tags: ["zones"],
        params: idParameter("the apex of a zone"),
        response: { 200: zoneSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => zoneOf(zoneNamed(id), desk),
  );

  app.get(
    "/v1/zones/:id/rrsets",
    {
      config: { access: "reader" },
      schema: {
        summary: "The RRsets of a zone; a page has as many owner names as its limit says",
        tags: ["zones"],
        params: idParameter("the apex of a zone"),
        querystring: rrsetQuery,
        response: { 200: rrsets, default: errorBody },
      },
    },
    ({ params: { id }, query }) => {
      const zone = zoneNamed(id);
      const { nodes, next } = query.name === undefined ? nodesAfter(zone, query) : nodeAt(zone, query.name);
      const type = query.type?.toUpperCase();
      const wanted = nodes.flatMap(rrsetsOf).filter((rrset) => type === undefined || rrset.type === type);
      return { rrsets: wanted, next };
    },
  );
}

function zoneOf(zone: Zone, desk: Desk): Static<typeof zoneSchema> {
  const { apex, file, nodes } = zone;
  const name = formatName(apex);
  const self = itemUrl("zones", name);
  return {
    zone: name,
    url: self,
    rrsetsUrl: `${self}/rrsets`,
    serial: serialOf(zone),
    names: nodes.size,
    signed: desk.snapshot().signing.has(nameKey(apex)),
    file,
  };
}

interface SomeNodes {
  readonly nodes: readonly ZoneNode[];
  readonly next: string | null;
}

function nodeAt(zone: Zone, text: string): SomeNodes {
  const parsed = parseName(text, zone.apex);
  if (parsed.kind !== "name") throw badRequest([`name: expected a domain name, got ${JSON.stringify(text)}`]);
  const node = zone.nodes.get(nameKey(parsed.name));
  return { nodes: node === undefined ? [] : [node], next: null };
}

/** A zone may have a million names: those before the page are only counted off. */
function nodesAfter(zone: Zone, { limit, after }: PageQuery): SomeNodes {
  const keys = zone.nodes.keys();
  if (after !== undefined) skipTo(keys, after);
  const nodes: ZoneNode[] = [];
  for (const key of keys) {
    const node = zone.nodes.get(key);
    if (node === undefined) continue;
    const last = nodes.at(-1);
    if (nodes.length === limitOf(limit) && last !== undefined) return { nodes, next: formatName(last.name) };
    nodes.push(node);
  }
  return { nodes, next: null };
}

function skipTo(keys: Iterator<string>, after: string): void {
  const parsed = parseName(after, null);
  const wanted = parsed.kind === "name" ? nameKey(parsed.name) : null;
  for (let { done, value } = keys.next(); done !== true; { done, value } = keys.next())
    if (value === wanted) return;
  throw new Failure(404, `there is no "${after}" to go on after; begin again without it`);
}

function rrsetsOf({ name, rrsets, steered }: ZoneNode): readonly Static<typeof rrsetSchema>[] {
  const owner = formatName(name);
  const declared = Array.from(rrsets.values(), ({ type, ttlSeconds, rdatas }) => ({
    name: owner,
    type: rrTypeName(type),
    ttlSeconds,
    rdatas: rdatas.map((rdata) => formatRdata(type, rdata)),
  }));
  if (steered === null) return declared;
  return [...declared, { name: owner, type: "STEER", ttlSeconds: null, rdatas: [formatName(steered.as)] }];
}
