/** Shares of answers: exact by chi-squared, changed by the API, kept over a restart, and ended when their end has come. */

import { beforeAll, describe, expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { has, PATIENCE, type Program, report, until, useLab } from "./harness.ts";
import { buildGenerator, Load } from "./load.ts";
import { addToken, call, layOut, type Site, startNode, VIPS } from "./site.ts";

/** Answers us-east and eu-west as 80 to 20; see `meridian.yaml`. */
const QNAME = "canary.gslb.example";

/** Queries in the test of shares. */
const SAMPLE = 100_000;

/** The chi-squared value, of one degree of freedom, that fair shares exceed once in a million runs. */
const CHI_SQUARED_MAX = 23.93;

/** A change is in answers by then. */
const VISIBLE_MS_MAX = 100;

/** How many different clients are asked to see a change. */
const CLIENTS = 40;

/** How long the override with an end lasts. */
const END_MS = 1_500;

interface Audit {
  readonly entries: readonly {
    readonly author: string;
    readonly reason: string;
    readonly event: string;
    readonly detail: string;
  }[];
}

const lab = useLab();
let site: Site;
let node: Program;
let token: string;
let resolver: Resolver;

beforeAll(async () => {
  site = await layOut(lab);
  token = await addToken(lab, site, "ada", "admin");
  node = await startNode(lab, site);
  resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
});

describe.skipIf(!has("cc"))("weights (needs cc)", () => {
  test(`of 80 and 20 are the shares of ${SAMPLE} answers, by a chi-squared test`, async () => {
    const generator = await buildGenerator(lab);
    const seen = { us: 0, eu: 0 };
    for (let seed = 1; seen.us + seen.eu < SAMPLE; seed += 1) {
      const load = new Load(lab, generator, site, { names: [QNAME], seconds: 1, rate: null, seed });
      const { by, lost, wrong } = await load.result();
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      seen.us += by[VIPS.us] ?? 0;
      seen.eu += by[VIPS.eu] ?? 0;
    }
    const total = seen.us + seen.eu;
    const chiSquared =
      (seen.us - 0.8 * total) ** 2 / (0.8 * total) + (seen.eu - 0.2 * total) ** 2 / (0.2 * total);
    const share = ((100 * seen.us) / total).toFixed(2);
    report(
      `80/20 over ${total} answers: ${share} %, chi-squared ${chiSquared.toFixed(2)} (at most ${CHI_SQUARED_MAX})`,
    );
    expect(chiSquared).toBeLessThan(CHI_SQUARED_MAX);
  });
});

describe("a change by the API", () => {
  test("of a weight is in answers within 100 ms", async () => {
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      times.push(await timeOf(() => weigh("canary/new", 0, "roll back"), everyAnswerIs(VIPS.us)));
      times.push(await timeOf(() => weigh("canary/new", 20, "try again"), someAnswerIs(VIPS.eu)));
    }
    reportTimes("weights changed", times);
  });

  test("that drains a region is in answers within 100 ms", async () => {
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      times.push(await timeOf(() => drain("us-east", "maintenance"), everyAnswerIs(VIPS.eu)));
      times.push(await timeOf(() => endOverride("drain:region:us-east"), someAnswerIs(VIPS.us)));
    }
    reportTimes("region drained and back", times);
  });

  test("outlives a restart, with its author and reason, and stands in the audit list", async () => {
    await drain("us-east", "maintenance of the cooling");
    await node.end("SIGTERM");
    node = await startNode(lab, site);
    expect(await answers()).toEqual(new Array(CLIENTS).fill(VIPS.eu));

    const drained = { id: "drain:region:us-east", author: "ada", reason: "maintenance of the cooling" };
    const weighed = { id: "weight:choice:canary/new", author: "ada", reason: "try again", weight: 20 };
    const { overrides } = await call<{ overrides: readonly object[] }>(site, token, "/v1/overrides");
    expect(overrides).toHaveLength(2);
    expect(overrides).toContainEqual(expect.objectContaining({ ...drained, until: null, active: true }));
    expect(overrides).toContainEqual(expect.objectContaining({ ...weighed, until: null, active: true }));
    expect(await audit()).toContainEqual(
      expect.objectContaining({
        author: "ada",
        reason: "maintenance of the cooling",
        event: "override-set",
        detail: "drain region us-east",
      }),
    );
  });

  test("with an end ends then, by itself and on record", async () => {
    await drain("us-east", "a short look", `+${END_MS}ms`);
    const startedMs = performance.now();
    await until("us-east is drained", everyAnswerIs(VIPS.eu));
    await until("us-east is back", someAnswerIs(VIPS.us));
    const elapsedMs = performance.now() - startedMs;
    report(`override of ${END_MS} ms: answers are back after ${Math.round(elapsedMs)} ms`);
    expect(elapsedMs).toBeGreaterThan(END_MS - VISIBLE_MS_MAX);
    expect(elapsedMs).toBeLessThan(END_MS + PATIENCE * VISIBLE_MS_MAX);
    await until("the end is on record", async () =>
      (await audit()).some(
        ({ event, detail }) => event === "override-expired" && detail === "drain region us-east",
      ),
    );
  });

  test("is refused without a token, and with one that may only read", async () => {
    const reader = await addToken(lab, site, "reader", "reader");
    const body = { kind: "drain", target: { region: "us-east" }, reason: "mischief" };
    await expect(call(site, "guess", "/v1/overrides", body)).rejects.toThrow("401");
    await expect(call(site, reader, "/v1/overrides", body)).rejects.toThrow("403");
    expect(await answers()).toContain(VIPS.us);
  });
});

function weigh(choice: string, weight: number, reason: string): Promise<unknown> {
  return call(site, token, "/v1/overrides", { kind: "weight", target: { choice }, weight, reason });
}

function drain(region: string, reason: string, end?: string): Promise<unknown> {
  const ends = end === undefined ? {} : { until: end };
  return call(site, token, "/v1/overrides", { kind: "drain", target: { region }, reason, ...ends });
}

function endOverride(id: string): Promise<unknown> {
  return call(site, token, `/v1/overrides/${encodeURIComponent(id)}`, undefined, "DELETE");
}

async function audit(): Promise<Audit["entries"]> {
  return (await call<Audit>(site, token, "/v1/audit")).entries;
}

function everyAnswerIs(vip: string): () => Promise<boolean> {
  return async () => (await answers()).every((answer) => answer === vip);
}

function someAnswerIs(vip: string): () => Promise<boolean> {
  return async () => (await answers()).some((answer) => answer === vip);
}

/** From the sending of a change to answers that show it, in milliseconds. */
async function timeOf(change: () => Promise<unknown>, shows: () => Promise<boolean>): Promise<number> {
  const startedMs = performance.now();
  const made = change();
  await until("answers show the change", shows);
  const elapsedMs = performance.now() - startedMs;
  await made;
  return elapsedMs;
}

/** The median counts: a test beside this one may hold up any single change. */
function reportTimes(what: string, times: readonly number[]): void {
  const sorted = times.map(Math.round).toSorted((a, b) => a - b);
  const median = sorted[sorted.length >> 1] ?? Number.NaN;
  report(`${what}: in answers after ${sorted.join(", ")} ms, median ${median} (at most ${VISIBLE_MS_MAX})`);
  expect(median).toBeLessThan(PATIENCE * VISIBLE_MS_MAX);
}

/** What clients all over the address space are answered at this moment. */
async function answers(): Promise<readonly (string | null)[]> {
  const clients = Array.from({ length: CLIENTS }, (_, i) => `${1 + 5 * i}.${i}.0.0/24`);
  return Promise.all(clients.map((subnet) => resolver.look(QNAME, { subnet })));
}
