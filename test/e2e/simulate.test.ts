/** Traffic over real sockets, replayed: `meridian simulate` of what runs gives exactly the shares that were counted. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { report, useLab } from "./harness.ts";
import { below, pick, type Random, randomFrom } from "./random.ts";
import { addToken, layOut, type Site, startNode } from "./site.ts";

const NAMES = ["www", "canary", "near", "fast", "backup"].map((label) => `${label}.gslb.example`);
const TYPES = ["A", "AAAA", "HTTPS"];

/** Queries asked, so many at a time. */
const QUERIES = 2_500;
const AT_A_TIME = 50;

interface Simulated {
  readonly queries: number;
  readonly regions: readonly {
    readonly region: string | null;
    readonly recorded: number;
    readonly before: number;
    readonly after: number;
  }[];
  readonly moved: { readonly queries: number };
}

const lab = useLab();

test(`${QUERIES} queries over UDP are replayed to the very counts, also after a restart`, async () => {
  const site = await layOut(lab, [["  state: var", "  state: var\n  profile: { sample: 1 }"]]);
  const tokenFile = join(lab.folder, "operator.token");
  writeFileSync(tokenFile, await addToken(lab, site, "operator", "admin"));
  const node = await startNode(lab, site);
  const simulate = async (...args: readonly string[]): Promise<string> =>
    lab.run("simulate", "--api", site.api, "--token-file", tokenFile, ...args);

  const random = randomFrom(20_260_101);
  const resolvers = [
    new Resolver(await lab.socket("127.0.0.1"), site.port),
    new Resolver(await lab.socket("::1"), site.port, "::1"),
  ];
  for (let asked = 0; asked < QUERIES; asked += AT_A_TIME)
    await Promise.all(
      Array.from({ length: AT_A_TIME }, () =>
        pick(resolvers, random).ask(pick(NAMES, random), pick(TYPES, random), subnetFrom(random)),
      ),
    );

  const counted = await picksOf(site);
  const text = await simulate("--json");
  const { queries, regions, moved }: Simulated = JSON.parse(text);
  const column = (name: "recorded" | "before" | "after"): unknown =>
    Object.fromEntries(regions.filter(({ region }) => region !== null).map((row) => [row.region, row[name]]));
  expect(queries).toBe(QUERIES);
  expect([column("recorded"), column("before"), column("after")]).toEqual([counted, counted, counted]);
  expect(moved.queries).toBe(0);
  expect(await simulate("--json", site.folder)).toBe(text);
  report(`${QUERIES} queries replayed: ${JSON.stringify(counted)}, as counted`);

  await node.end("SIGTERM");
  await startNode(lab, site);
  expect(await simulate("--json")).toBe(text);
  const lines = (await simulate("--if", "down:us-east")).split("\n");
  expect(lines).toContainEqual(expect.stringMatching(/^us-east +[\d.]+ % +[\d.]+ % +0 % +-\d+ +- -> -$/));
  expect(lines).toContain("supposed: down:us-east");
});

/** A subnet as resolvers send it, or none. */
function subnetFrom(random: Random): { readonly subnet?: string } {
  switch (below(4, random)) {
    case 0:
      return {};
    case 1:
      return {
        subnet: `2${below(4, random)}0${below(9, random)}:${below(9, random)}db8:${below(9_999, random)}:${below(99, random)}00::/56`,
      };
    case 2:
      return { subnet: `${1 + below(222, random)}.${below(256, random)}.0.0/16` };
    default:
      return { subnet: `${1 + below(222, random)}.${below(256, random)}.${below(256, random)}.0/24` };
  }
}

/** Answers by region, as the metrics count them. */
async function picksOf(site: Site): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`${site.api}/metrics`)).text();
  const found = text.matchAll(/^meridian_dns_picks_total\{region="([^"]+)"\} (\d+)$/gm);
  return Object.fromEntries([...found].map(([, region, count]) => [region, Number(count)]));
}
