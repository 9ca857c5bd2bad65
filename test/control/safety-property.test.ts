/** No change that is made without force breaks a rule: random changes, held against a naive count of what clients get. */

import { expect, test } from "vitest";
import type { Action } from "../../src/control/override.ts";
import { fc } from "../fast-check.ts";
import { answersTo, movedBetween } from "./clients.ts";
import { CONFIG, Folder, Node } from "./test-node.ts";

/** How many changes are tried. */
const CHANGES = Number(process.env["MERIDIAN_SAFETY_CHANGES"] ?? 120);
const LIMIT = 0.3;
const REGIONS = ["us-east", "eu-west", "ap-south"] as const;
const CHOICES = { new: "us-east", old: "eu-west", far: "ap-south" } as const;
const SERVICES = ["www", "mix", "all"].map((label) => `${label}.test.example`);

const THREE = `${CONFIG.slice(0, CONFIG.indexOf("policies:"))
  .replace("regions:", "regions:\n  ap-south: { at: [19, 73] }")
  .replace(
    "members:",
    'members:\n      ap-south: { ipv4: 10.0.0.3, ipv6: "2001:db8::3", probe: ipv4, weight: 50 }',
  )}
policies:
  eu-first: { failover: [web/eu-west, web/us-east, web/ap-south] }
  us-first: { failover: [web/us-east, web/ap-south, web/eu-west] }
  mix: { weighted: { new: { weight: 60, use: web/us-east }, old: { weight: 30, use: web/eu-west }, far: { weight: 10, use: web/ap-south } } }
services:
  www.test.example: { policy: { geo: { continents: { EU: eu-first }, default: us-first } } }
  mix.test.example: { policy: mix }
  all.test.example: { policy: web }
safety: { minRegionsUp: 2, maxMoved: 30% }
`;

const region = fc.constantFrom(...REGIONS);
const target = fc
  .tuple(fc.constantFrom("region" as const, "member" as const), region)
  .map(([by, name]) => ({ by, id: by === "region" ? name : `web/${name}` }));
const weight = fc.constantFrom(0, 1, 10, 50, 100, 400);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant("drain" as const), target }),
  fc.record({ kind: fc.constant("force" as const), target, verdict: fc.constantFrom("up", "down") }),
  fc.record({ kind: fc.constant("weight" as const), target, weight }),
  fc.record({
    kind: fc.constant("weight" as const),
    target: fc
      .constantFrom("new", "old", "far")
      .map((choice) => ({ by: "choice" as const, id: `mix/${choice}` })),
    weight,
  }),
);
/** A number ends one of the overrides that there are. */
const change = fc.oneof({ weight: 3, arbitrary: action }, { weight: 1, arbitrary: fc.nat(20) });

/** The regions that overrides leave to a service: a naive reading of the list, without planner or facts. */
function ready(node: Node, service: string): readonly string[] {
  const actions = node.desk.overrides().map((override) => override.action);
  const on = (kind: Action["kind"], by: string, id: string): Action | undefined =>
    actions.find((one) => one.kind === kind && one.target.by === by && one.target.id === id);
  return REGIONS.filter((name) => {
    const narrowest = (kind: Action["kind"]) => on(kind, "member", `web/${name}`) ?? on(kind, "region", name);
    const [forced, weighed] = [narrowest("force"), narrowest("weight")];
    if (narrowest("drain") !== undefined) return false;
    if (forced?.kind === "force" && forced.verdict === "down") return false;
    if (weighed?.kind === "weight" && weighed.weight === 0) return false;
    const choice = Object.entries(CHOICES).find(([, at]) => at === name)?.[0];
    const own = on("weight", "choice", `mix/${choice}`);
    return !(service.startsWith("mix") && own?.kind === "weight" && own.weight === 0);
  });
}

test("no change that is accepted without force moves more clients or leaves fewer regions than the rules say", async () => {
  const counts = { made: 0, refused: 0 };
  const run = async (changes: readonly (Action | number)[]): Promise<void> => {
    const node = await new Node(new Folder({ "meridian.yaml": THREE })).open();
    for (const one of changes) {
      const before = answersTo(node, SERVICES);
      const overrides = node.desk.overrides();
      const ended = typeof one === "number" ? overrides[one % Math.max(1, overrides.length)] : undefined;
      if (typeof one === "number" && ended === undefined) continue;
      const outcome = await node.change(
        typeof one === "number"
          ? { kind: "end-override", id: ended?.id ?? "" }
          : { kind: "set-override", action: one, untilMs: null },
      );
      const after = answersTo(node, SERVICES);
      if (outcome.kind === "refused") {
        counts.refused += 1;
        expect(after).toEqual(before);
        continue;
      }
      counts.made += 1;
      const moved = movedBetween(before, after);
      expect(moved, `moved by ${JSON.stringify(one)}: ${moved}, at most ${LIMIT}`).toBeLessThan(LIMIT + 1e-6);
      for (const service of SERVICES) {
        const left = ready(node, service);
        expect(left.length, `${service} after ${JSON.stringify(one)}: ${left}`).toBeGreaterThanOrEqual(2);
      }
    }
    await node.close();
  };
  const length = 30;
  await fc.assert(fc.asyncProperty(fc.array(change, { minLength: length, maxLength: length }), run), {
    numRuns: Math.ceil(CHANGES / length),
    seed: 20_260_101,
  });
  // Neither all nor nothing is refused, or it would show nothing.
  expect(counts.made).toBeGreaterThan(CHANGES / 8);
  expect(counts.refused).toBeGreaterThan(CHANGES / 8);
});
