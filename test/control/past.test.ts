/** A moment of the past is rebuilt as it was: what dns answered then is what is explained now. */

import { describe, expect, test } from "vitest";
import type { ExplainQuestion } from "../../src/control/desk.ts";
import type { Past } from "../../src/control/past.ts";
import { parseAddress, parsePrefix } from "../../src/wire/address.ts";
import { parseName, rootName } from "../../src/wire/name.ts";
import { fc } from "../fast-check.ts";
import { TestApi } from "./api/test-api.ts";
import type { TestAgent } from "./test-agent.ts";
import { CONFIG, Folder, GB, JP, Node, US, ZONE } from "./test-node.ts";

/** How many days of a node are lived through and then explained. */
const DAYS = Number(process.env["MERIDIAN_PAST"] ?? 8);
const SEED = Number(process.env["MERIDIAN_PAST_SEED"] ?? 20);

const VIPS = ["web/us-east/ipv4", "web/eu-west/ipv4"];
const CLIENTS = [GB, JP, US, "2001:db8:9::1"];
const NAMES = ["www", "mix", "near", "cart", "fast", "shop", "last"].map((label) => `${label}.test.example`);
const ANSWERS_OF_STEP = 6;

const HELD = CONFIG.replace("slowStart: 0s", "slowStart: 30s, failback: { holdDown: 20s, holdDownMax: 2m }");
const BASE = `${HELD.replace("    check: web\n", "    check: web\n    perVantage: true\n")}
  cart.test.example: { ttl: 5s, policy: { sticky: mix } }
  fast.test.example: { ttl: 5s, policy: { latency: web } }
  last.test.example: { ttl: 5s, policy: mix, whenDown: lastGood }
`;

/** Each file as it may be at one time or another. */
const FILES: readonly (readonly [string, readonly string[]])[] = [
  [
    "meridian.yaml",
    [
      BASE,
      BASE.replace("{ EU: eu-first }", "{ AS: eu-first }"),
      BASE.replace("perVantage: true", "perVantage: false"),
      BASE.replace("new: { weight: 50", "new: { weight: 10").replace("slowStart: 30s", "slowStart: 60s"),
      BASE.replace("default: us-first", "labels: { office: us-first }, default: eu-first"),
      BASE.replace("ipv4: 10.0.0.2", "ipv4: 10.0.0.3"),
    ],
  ],
  ["test.example.zone", [ZONE, ZONE.replace("STEER www", "STEER mix"), ZONE.replace("shop ", "mall ")]],
  ["labels.csv", ["", "192.0.2.0/25,office\n", "203.0.113.0/24,office\n"]],
];

type Step =
  | {
      readonly kind: "reports";
      readonly vip: number;
      readonly outcome: "ok" | "timeout";
      readonly vantages: number;
    }
  | { readonly kind: "override"; readonly which: number; readonly forMs: number | null }
  | { readonly kind: "end"; readonly which: number }
  | { readonly kind: "file"; readonly file: number; readonly version: number }
  | { readonly kind: "observe"; readonly region: string; readonly rttMs: number }
  | { readonly kind: "restart" }
  | { readonly kind: "wait" };

const steps: fc.Arbitrary<readonly { readonly ms: number; readonly step: Step }[]> = fc.array(
  fc.record({
    ms: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 40_000 })),
    step: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({
          kind: fc.constant("reports" as const),
          vip: fc.nat(1),
          outcome: fc.constantFrom("ok" as const, "timeout" as const),
          vantages: fc.integer({ min: 1, max: 3 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("override" as const),
          which: fc.nat(6),
          forMs: fc.option(fc.integer({ min: 1, max: 60_000 })),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("end" as const), which: fc.nat(6) }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("file" as const), file: fc.nat(2), version: fc.nat(5) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("observe" as const),
          region: fc.constantFrom("us-east", "eu-west"),
          rttMs: fc.integer({ min: 1, max: 300 }),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
      { weight: 4, arbitrary: fc.constant({ kind: "wait" as const }) },
    ),
  }),
  { minLength: 20, maxLength: 60 },
);

const ACTIONS = [
  { kind: "drain", target: { by: "region", id: "us-east" } },
  { kind: "force", target: { by: "member", id: "web/eu-west" }, verdict: "down" },
  { kind: "force", target: { by: "vip", id: "web/us-east/ipv6" }, verdict: "down" },
  { kind: "weight", target: { by: "choice", id: "mix/new" }, weight: 5 },
  { kind: "weight", target: { by: "member", id: "web/us-east" }, weight: 0 },
  { kind: "drain", target: { by: "member", id: "web/us-east" }, rampMs: 20_000 },
  {
    kind: "freeze",
    target: { by: "region", id: "us-east" },
    verdicts: { "web/us-east/ipv4": "up", "web/us-east/ipv6": "down" },
  },
] as const;

interface Answered {
  readonly atMs: number;
  readonly qname: string;
  readonly client: string;
  readonly type: "A" | "AAAA";
  /** What dns answered. */
  readonly addresses: readonly string[];
  /** What was said of it then. */
  readonly said: unknown;
}

test(
  `what was answered on ${DAYS} random days is explained later as it was then`,
  async () => {
    let explained = 0;
    await fc.assert(
      fc.asyncProperty(steps, async (day) => {
        const answered: Answered[] = [];
        const node = await live(day, answered);
        for (const { atMs, qname, client, type, addresses, said } of answered) {
          const past = await pastOf(node, atMs);
          const question = asked(qname, client, type === "A" ? 4 : 6);
          const about = `${qname} ${type} for ${client} at ${new Date(atMs).toISOString()}`;
          expect(said, about).toEqual(outcomeOf(past.explain(question)));
          expect(addressesOf(past, question), about).toEqual(addresses);
          explained += 1;
        }
        await node.close();
      }),
      { numRuns: DAYS, seed: SEED, endOnFailure: true },
    );
    expect(explained).toBeGreaterThan(DAYS * 20 * ANSWERS_OF_STEP - 1);
  },
  60_000 + DAYS * 10_000,
);

describe("an explanation of the past", () => {
  test("says what was in force, and what of it is not as it was", async () => {
    const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": BASE })));
    const { node } = api;
    await node.change({ kind: "set-override", action: ACTIONS[1], untilMs: null });
    const beforeMs = node.nowMs;
    node.pass(60_000);
    await node.change({ kind: "end-override", id: "force:member:web/eu-west" });
    node.folder.write(
      "meridian.yaml",
      BASE.replace("eu-west: { ipv4: 10.0.0.2", "eu-west: { capacity: 5, ipv4: 10.0.0.9"),
    );
    await node.change({ kind: "reload" });
    node.pass(60_000);
    const question = { name: "www.test.example", type: "A", client: GB };
    const now = (await api.post("/v1/explain", question)).body;
    expect([now.pick.share.address, now.notes]).toEqual(["10.0.0.9", []]);
    const then = (await api.post("/v1/explain", { ...question, time: new Date(beforeMs).toISOString() }))
      .body;
    expect(then).toMatchObject({
      pick: { at: new Date(beforeMs).toISOString(), share: { address: "10.0.0.1" } },
      overrides: ["force:member:web/eu-west"],
      notes: [],
    });
    expect(then.lines[0]).toBe(`at ${new Date(beforeMs).toISOString()}, by version 1`);
    const soon = (await api.post("/v1/explain", { ...question, time: "-1m" })).body;
    expect(soon.pick.share.address).toBe("10.0.0.9");
    expect(soon.notes).toEqual(["loads are not on record: members count as idle"]);
    const supposed = { ...question, time: new Date(beforeMs).toISOString(), if: ["up:eu-west"] };
    expect((await api.post("/v1/explain", supposed)).body.pick.share.address).toBe("10.0.0.2");
    const verdicts = (await api.get("/v1/verdicts?at=-2m")).body.verdicts;
    expect(verdicts.map(({ vip, up, address }: Record<string, unknown>) => [vip, up, address])).toEqual([
      ["web/us-east/ipv4", true, "10.0.0.1"],
      ["web/us-east/ipv6", true, "2001:db8::1"],
      ["web/eu-west/ipv4", false, "10.0.0.2"],
      ["web/eu-west/ipv6", false, "2001:db8::2"],
    ]);
  });

  test("is refused for times that are to come, and that nothing is known of", async () => {
    const api = await TestApi.open();
    const question = { name: "www.test.example", type: "A", client: GB };
    const ask = async (time: string): Promise<unknown> => {
      const { status, body } = await api.post("/v1/explain", { ...question, time });
      return [status, body.detail];
    };
    expect(await ask("-1h")).toEqual([404, expect.stringMatching("nothing is on record of so early")]);
    expect(await ask("2030-01-01T00:00:00Z")).toEqual([400, expect.stringMatching("is still to come")]);
    expect(await ask("yesterday")).toEqual([400, expect.stringMatching("time: expected a time such as")]);
  });

  test("says that geo data have been replaced, and that a text is gone", async () => {
    const node = await new Node().open();
    const firstMs = node.nowMs;
    node.pass(1_000);
    const { writeMmdb } = await import("../geo/mmdb-file.ts");
    const records = { "192.0.2.0/24": { country: { iso_code: "JP" } } };
    node.folder.write("geo.mmdb", writeMmdb({ recordSize: 24, ipVersion: 6, records }));
    node.folder.write("meridian.yaml", `${CONFIG}# again\n`);
    await node.change({ kind: "reload" });
    node.pass(1_000);
    const past = await pastOf(node, firstMs);
    expect(past.notes()).toEqual(["geo data have been replaced since: places are by those in use now"]);
    const { DatabaseSync } = await import("node:sqlite");
    await node.close();
    const database = new DatabaseSync(node.folder.file("state/meridian.db"));
    database.exec("DELETE FROM texts");
    database.close();
    const again = new Node(node.folder, node.dns);
    again.nowMs = node.nowMs;
    await again.open();
    expect(await again.desk.past(firstMs)).toEqual({
      kind: "unknown",
      message: expect.stringMatching(
        /^version 1 was in force then, and what \S+ said in it is not on record$/,
      ),
    });
  });
});

/** Lives through the steps, and notes what is answered after each. */
async function live(
  day: readonly { readonly ms: number; readonly step: Step }[],
  answered: Answered[],
): Promise<Node> {
  let node = await new Node(new Folder({ "meridian.yaml": BASE })).open();
  let agents = await connect(node);
  for (const [i, { ms, step }] of day.entries()) {
    // As the desk's own timer would have it.
    for (let left = ms; left > 0; left -= 1_000) node.pass(Math.min(left, 1_000));
    if (step.kind === "restart") {
      await node.close();
      const again = new Node(node.folder, node.dns);
      again.nowMs = node.nowMs;
      node = await again.open();
      agents = await connect(node);
    } else await take(node, agents, step);
    node.desk.tick();
    for (let n = 0; n < ANSWERS_OF_STEP; n += 1) {
      const qname = NAMES[(i + n) % NAMES.length]!;
      const client = CLIENTS[(i + 3 * n) % CLIENTS.length]!;
      const type = (i + n) % 3 === 0 ? "AAAA" : "A";
      const answers = node.dns.answers(qname, client, type, Math.trunc(node.nowMs / 1_000));
      const addresses = answers.flatMap((answer) => (answer.type === type ? [answer.data] : []));
      const said = outcomeOf(node.desk.explain(asked(qname, client, type === "A" ? 4 : 6)));
      answered.push({ atMs: node.nowMs, qname, client, type, addresses, said });
    }
  }
  return node;
}

async function connect(node: Node): Promise<readonly TestAgent[]> {
  return Object.values(await node.agents("dublin", "virginia", "tokyo"));
}

async function take(node: Node, agents: readonly TestAgent[], step: Step): Promise<void> {
  switch (step.kind) {
    case "reports":
      for (let i = 0; i < 2; i += 1) {
        for (const agent of agents.slice(0, step.vantages))
          await agent.report({ [VIPS[step.vip]!]: step.outcome });
        node.pass(500);
      }
      break;
    case "override": {
      const untilMs = step.forMs === null ? null : node.nowMs + step.forMs;
      await node.change({ kind: "set-override", action: ACTIONS[step.which]!, untilMs });
      break;
    }
    case "end": {
      const { kind, target } = ACTIONS[step.which]!;
      await node.change({ kind: "end-override", id: `${kind}:${target.by}:${target.id}` });
      break;
    }
    case "file": {
      const [name, versions] = FILES[step.file]!;
      node.folder.write(name, versions[step.version % versions.length]!);
      expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "published" });
      break;
    }
    case "observe": {
      const prefix = parsePrefix("192.0.2.0/24")!;
      node.desk.observe([{ prefix, region: step.region as never, rttMs: step.rttMs, samples: 20 }]);
      for (let i = 0; i < 11; i += 1) node.pass(1_000);
      break;
    }
    default:
  }
}

async function pastOf(node: Node, atMs: number): Promise<Past> {
  const past = await node.desk.past(atMs);
  if (past.kind === "unknown") throw new Error(past.message);
  return past;
}

/** What decides: the location, its class and scope, the plan, and who is picked of it. */
function outcomeOf(outcome: ReturnType<Past["explain"]>): unknown {
  if (outcome.kind === "not-steered") return outcome.kind;
  const { service, scopePrefixLength, explanation, picked, sticky, atMs } = outcome;
  const { location, classKey, plan } = explanation;
  return { service: service.label, scopePrefixLength, location, classKey, plan, picked, sticky, atMs };
}

/** The address of the VIP that is picked. */
function addressesOf(past: Past, question: ExplainQuestion): readonly string[] {
  const outcome = past.explain(question);
  const picked = outcome.kind === "explained" ? outcome.picked : null;
  const vips = [...past.config.members.values()].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  return vips.flatMap((vip) => (vip !== null && vip.id === picked ? [vip.address.text] : []));
}

function asked(qname: string, client: string, family: 4 | 6): ExplainQuestion {
  const name = parseName(qname, rootName);
  const address = parseAddress(client);
  if (name.kind === "problem" || address === null) throw new Error(`${qname} ${client}`);
  return { qname: name.name, client: address, family, supposed: [] };
}
