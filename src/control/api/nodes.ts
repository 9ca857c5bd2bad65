/** The nodes that this one knows of: itself. */

import Type, { type Static } from "typebox";
import type { Endpoint } from "../../config/node.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { itemOf, itemUrl, next, pageOf, pageQuery } from "./page.ts";
import { errorBody, formatMoment, idParameter, moment, object, oneOf, url, version } from "./schemas.ts";

const nodeSchema = object(
  {
    node: Type.String(),
    url,
    version,
    adoptedVersion: Type.Integer({
      minimum: 0,
      description: "the version of the book that dns serves; 0: none",
    }),
    startedAt: moment,
    uptimeSeconds: Type.Integer({ minimum: 0, description: "of control; dns may have run for longer" }),
    listens: Type.Array(
      object({
        transport: oneOf(["dns", "tls", "https", "api"], "dns: UDP and TCP"),
        address: Type.String(),
        port: Type.Integer({ description: "0: the system has chosen one" }),
      }),
      { description: "as it is declared" },
    ),
  },
  { description: "A node." },
);

const list = object({ nodes: Type.Array(nodeSchema), next }, { description: "This node." });

export function nodeRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/nodes",
    {
      config: { access: "reader" },
      schema: {
        summary: "This node",
        tags: ["node"],
        querystring: pageQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    ({ query }) => {
      const { entries, next } = pageOf([viewOf(desk)], ({ node }) => node, query);
      return { nodes: [...entries], next };
    },
  );

  app.get(
    "/v1/nodes/:id",
    {
      config: { access: "reader" },
      schema: {
        summary: "A node",
        tags: ["node"],
        params: idParameter("the name of a node"),
        response: { 200: nodeSchema, default: errorBody },
      },
    },
    ({ params: { id } }) => itemOf("node", [viewOf(desk)], ({ node }) => node, id),
  );
}

function viewOf(desk: Desk): Static<typeof nodeSchema> {
  const { version, adoptedVersion, startedMs } = desk.status();
  const { name, listen, tls, https, api } = desk.snapshot().config.node;
  const on = (transport: "dns" | "tls" | "https" | "api", endpoints: readonly Endpoint[]) =>
    endpoints.map(({ address, port }) => ({ transport, address: address.text, port }));
  return {
    node: name,
    url: itemUrl("nodes", name),
    version,
    adoptedVersion,
    startedAt: formatMoment(startedMs),
    uptimeSeconds: Math.floor((desk.nowMs() - startedMs) / 1_000),
    listens: [
      ...on("dns", listen),
      ...on("tls", tls?.listen ?? []),
      ...on("https", https?.listen ?? []),
      ...on("api", [api]),
    ],
  };
}
