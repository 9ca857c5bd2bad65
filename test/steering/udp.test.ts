/** What a worker answers over UDP is what `steering/` says: random policies, facts and clients over real sockets. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import { compileBook } from "../../src/book/compile.ts";
import type { Service } from "../../src/config/config.ts";
import { Planner } from "../../src/control/planner.ts";
import type { Snapshot } from "../../src/control/snapshot.ts";
import { SocketSet } from "../../src/serve/socket-set.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { UdpWorkers } from "../../src/serve/udp-workers.ts";
import type { Facts } from "../../src/steering/facts.ts";
import { hasSticky } from "../../src/steering/local.ts";
import { localKey } from "../../src/steering/local-key.ts";
import { localise } from "../../src/steering/localise.ts";
import { type Plan, planFor } from "../../src/steering/plan.ts";
import { counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { parseName } from "../../src/wire/name.ts";
import { zoneOf } from "../answer/harness.ts";
import { type Answer, Resolver } from "../e2e/dns.ts";
import { report } from "../e2e/harness.ts";
import { below, pick, type Random, randomFrom } from "../e2e/random.ts";
import { fc } from "../fast-check.ts";
import { serviceWith } from "../health/fixtures.ts";
import { EchoForwarder } from "../serve/echo-forwarder.ts";
import { endpoint } from "../serve/udp-client.ts";
import { facts, policies, whenDowns } from "./arbitraries.ts";
import { atlasOf, octetsOf, randomNetworks, Truth, WIDTH } from "./networks.ts";
import { canBeAnswered } from "./together.ts";
import { WORLD } from "./world.ts";

/** How many queries; `docs/proofs.md` says what 100,000 came to. */
const QUERIES = Number(process.env["MERIDIAN_UDP_ANSWERS"] ?? 1_000);
const SEED = Number(process.env["MERIDIAN_UDP_ANSWERS_SEED"] ?? 1);

const QUERIES_PER_CONFIG = 500;
const SERVICES = 40;
/** How many queries are on their way at a time. */
const AT_ONCE = 50;

const ZONE = zoneOf("$ORIGIN test.\n@ 60 SOA ns hostmaster 1 60 60 60 60\n@ 60 NS ns\nns 60 A 192.0.2.53\n");

const vipOfAddress = new Map(
  [...WORLD.members.values()].flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((vip) => (vip === null ? [] : [[vip.address.text, vip.id] as const])),
  ),
);

const running: UdpWorkers[] = [];
const sockets = [createSocket("udp4")];
afterAll(async () => {
  for (const socket of sockets) socket.close();
  await Promise.all(running.map((workers) => workers.stop()));
});

test(`${QUERIES} answers are what steering says, over scopes in which it says the same`, {
  timeout: 3_600_000,
}, async () => {
  const random = randomFrom(SEED);
  const [socket] = sockets;
  socket!.bind(0, "127.0.0.1");
  await once(socket!, "listening");
  const kinds: Record<Plan["kind"], number> = { answer: 0, nodata: 0, servfail: 0 };
  for (let asked = 0; asked < QUERIES; asked += QUERIES_PER_CONFIG) {
    const world = new World(random);
    const workers = await world.serve();
    const resolver = new Resolver(socket!, workers.addresses()[0]!.port);
    for (let i = 0; i < QUERIES_PER_CONFIG; i += AT_ONCE) {
      const questions = Array.from({ length: AT_ONCE }, () => world.question(random));
      const answers = await Promise.all(
        questions.map(({ name, type, subnet }) => resolver.ask(name, type, { subnet })),
      );
      for (const [nth, question] of questions.entries()) {
        const answer = answers[nth]!;
        const fault = faultOf(question.plan, answer) ?? world.scopeFaultOf(question, answer.scope);
        expect(fault, JSON.stringify({ ...question, answer })).toBeNull();
        kinds[question.plan.kind] += 1;
      }
    }
    await workers.stop();
  }
  report(
    `${QUERIES} answers over UDP: 0 wrong (${Object.entries(kinds)
      .map(([kind, count]) => `${count} ${kind}`)
      .join(", ")})`,
  );
  expect(kinds.answer).toBeGreaterThan(QUERIES / 2);
});

/** A question with what steering says to it. */
interface Question {
  readonly name: string;
  readonly type: "A" | "AAAA";
  /** ECS. */
  readonly subnet: string;
  readonly plan: Plan;
  readonly service: Service;
  readonly family: 4 | 6;
  /** The first address of the subnet. */
  readonly client: number;
}

/** Random networks, services and facts. */
class World {
  readonly #truths;
  readonly #facts: Facts;
  readonly #snapshot: Snapshot;

  constructor(random: Random) {
    const networks = randomNetworks(random);
    this.#truths = { 4: new Truth(networks, 4), 6: new Truth(networks, 6) };
    const seed = below(2 ** 31, random);
    this.#facts = fc.sample(facts, { seed, numRuns: 1 })[0]!;
    const rules = fc.sample(fc.record({ policy: policies, whenDown: whenDowns }), {
      seed,
      numRuns: SERVICES,
    });
    const services = rules.map((rule, i) => serviceWith({ ...rule, ...namesOf(`s${i}.test`) }));
    this.#snapshot = {
      config: { ...WORLD, services },
      zones: [ZONE],
      signing: new Map(),
      zoneKeys: new Map(),
      keys: new Map(),
      addresses: new Map(),
      atlas: atlasOf(networks),
      geo: { file: "test", type: "Test", builtAtSeconds: 0 },
    };
  }

  /** Starts a worker with the book of all this. */
  async serve(): Promise<UdpWorkers> {
    const { value: planner } = Planner.of(this.#snapshot);
    planner!.planAll(this.#facts);
    const { bytes } = compileBook(planner!.content(1));
    const memory = new SharedArrayBuffer(bytes.length);
    new Uint8Array(memory).set(bytes);
    const calls = systemCalls();
    const workers = await UdpWorkers.start({
      endpoints: [endpoint("127.0.0.1")],
      workers: 1,
      sockets: calls === null ? null : new SocketSet(calls, []),
      book: { memory, signing: null },
      challenges: null,
      samples: null,
      options: defaultAnswerOptions,
      counters: newCounters(8),
      firstRow: 0,
      ownCounters: counterRow(newCounters(1), 0),
      onEvent: () => {},
      forwarder: new EchoForwarder(),
    });
    running.push(workers);
    return workers;
  }

  question(random: Random): Question {
    const service = pick(this.#snapshot.config.services, random);
    const truth = this.#truths[pick([4, 6] as const, random)];
    // With source prefix 0 it is the resolver's own address that counts.
    const source = 1 + below(WIDTH[truth.family], random);
    const size = 2 ** (WIDTH[truth.family] - source);
    const client = Math.floor(truth.client(random) / size) * size;
    const family = pick([4, 6] as const, random);
    return {
      name: service.label,
      type: family === 4 ? "A" : "AAAA",
      subnet: `${textOf(octetsOf(truth.family, client))}/${source}`,
      plan: this.#planFor(service, truth, client, family),
      service,
      family: truth.family,
      client,
    };
  }

  /** What is wrong with a scope; null: all clients in it get the same, whatever the facts. */
  scopeFaultOf({ service, family, client }: Question, scope: number | null): string | null {
    if (scope === null) return "no ECS";
    const { starts, locations } = this.#truths[family];
    const truth = this.#truths[family];
    const local = localise(service.policy, locations[truth.pieceAt(client)]!, WORLD);
    const isTooShort = hasSticky(local) && scope < (family === 4 ? 24 : 56);
    if (isTooShort) return "a scope with several buckets";
    const size = Math.max(1, 2 ** (WIDTH[family] - scope));
    const first = Math.floor(client / size) * size;
    const keys = new Set<string>();
    for (let i = truth.pieceAt(first); i < starts.length && starts[i]! < first + size; i += 1)
      keys.add(localKey(localise(service.policy, locations[i]!, WORLD)));
    return keys.size === 1 ? null : "several local policies in one scope";
  }

  #planFor(service: Service, truth: Truth, client: number, family: 4 | 6): Plan {
    const location = truth.locations[truth.pieceAt(client)]!;
    return planFor(localise(service.policy, location, WORLD), service, family, this.#facts, WORLD).plan;
  }
}

/** What is wrong with an answer; null: nothing. */
function faultOf(plan: Plan, { rcode, data }: Answer): string | null {
  switch (plan.kind) {
    case "servfail":
      return rcode === "SERVFAIL" ? null : "expected SERVFAIL";
    case "nodata":
      return rcode === "NOERROR" && data.length === 0 ? null : "expected NODATA";
    case "answer": {
      const vips = data.map((address) => vipOfAddress.get(address)!);
      return rcode === "NOERROR" && canBeAnswered(plan, vips)
        ? null
        : "expected VIPs that the plan gives together";
    }
  }
}

function namesOf(label: string): Pick<Service, "name" | "label"> {
  const parsed = parseName(`${label}.`, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return { name: parsed.name, label };
}

function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  return Buffer.from(address).toString("hex").match(/.{4}/g)!.join(":");
}
