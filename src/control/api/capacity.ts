/** What each region's death would put on the others. */

import Type from "typebox";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { next, pageOf, pageQuery } from "./page.ts";
import { errorBody, nullable, object, oneOf } from "./schemas.ts";

const load = (description: string) => nullable(Type.Number({ description }));

const use = {
  region: Type.String(),
  capacity: Type.Number({ description: "what its members can serve, in the operator's unit" }),
  load: load("the part of it in use; null: not all of the members tell their load"),
};

const regionSchema = object({
  ...use,
  weighedBy: oneOf(
    ["profile", "classes"],
    "what counts: queries in the profile of the last hour, or, where it has none that the region answers, classes alike",
  ),
  others: Type.Array(object(use), { description: "the other regions as they would be without this one" }),
  othersLoad: load("the part of all their capacity that would be in use"),
});

const poolSchema = object({ pool: Type.String(), regions: Type.Array(regionSchema) });

const list = object(
  { pools: Type.Array(poolSchema), next },
  { description: "The pools whose members all have capacities, region by region." },
);

export function capacityRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/capacity",
    {
      config: { access: "reader" },
      schema: {
        summary: "What each region's death would put on the others",
        tags: ["facts"],
        querystring: pageQuery(),
        response: { 200: list, default: errorBody },
      },
    },
    async ({ query }) => {
      const { entries, next } = pageOf(await desk.capacities(), ({ pool }) => pool, query);
      return {
        pools: entries.map(({ pool, regions }) => ({
          pool,
          regions: regions.map((region) => ({ ...region, others: [...region.others] })),
        })),
        next,
      };
    },
  );
}
