/** A whole node's control tells of what is wrong, by real HTTP, at a clock that the test moves. */

import { chmodSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { listAlarms, listDestinations, testDestination } from "../../src/command/alarm.ts";
import { Receiver } from "../alarm/receivers.ts";
import { TestApi } from "./api/test-api.ts";
import type { TestAgent } from "./test-agent.ts";
import { CONFIG, Folder, Node, until } from "./test-node.ts";

const EU_VIP = "web/eu-west/ipv4";
const EAST_VIP = "web/us-east/ipv4";
const SECRET = Buffer.alloc(32, 7).toString("base64");

type Agents = Readonly<Record<"dublin" | "virginia" | "tokyo", TestAgent>>;

/** What the receiver was told: `begun vip-down web/eu-west/ipv4`. */
function told({ bodies }: Receiver): readonly string[] {
  return bodies.flatMap(({ data }) =>
    data.alarms.map(({ state, kind, subject }: Record<string, string>) => `${state} ${kind} ${subject}`),
  );
}

function config(receiver: Receiver, route = "severity: info, group: 0s"): string {
  return `${CONFIG}
alarms:
  destinations: { hook: { type: webhook, url: "${receiver.url}", secret: hook.secret } }
  routes: { all: { to: [hook], ${route} } }
`;
}

class Fleet {
  readonly receiver: Receiver;
  readonly node: Node;
  agents: Agents | null = null;

  private constructor(receiver: Receiver, node: Node) {
    this.receiver = receiver;
    this.node = node;
  }

  static async open(route?: string): Promise<Fleet> {
    const receiver = await Receiver.open();
    const folder = new Folder({ "meridian.yaml": config(receiver, route), "hook.secret": SECRET });
    chmodSync(folder.file("hook.secret"), 0o600);
    const fleet = new Fleet(receiver, new Node(folder));
    await fleet.node.open();
    await fleet.connect();
    return fleet;
  }

  /** All three see both VIPs up, so the node knows how things stand. */
  async connect(): Promise<void> {
    this.agents = await this.node.agents("dublin", "virginia", "tokyo");
    await this.see("ok", "ok");
    await this.settle();
  }

  async see(eu: "ok" | "timeout", east: "ok" | "timeout"): Promise<void> {
    for (let round = 0; round < 2; round += 1) {
      for (const agent of Object.values(this.agents ?? {}))
        await agent.report({ [EU_VIP]: eu, [EAST_VIP]: east });
      this.node.pass(1_000);
    }
  }

  /** Lets work that was begun come to its end, and the node look at what it came to. */
  async settle(): Promise<void> {
    for (let round = 0; round < 4; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      this.node.pass(100);
    }
  }

  async told(count: number): Promise<readonly string[]> {
    for (let round = 0; told(this.receiver).length < count && round < 300; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      this.node.pass(10);
    }
    return told(this.receiver);
  }
}

describe("a node", () => {
  test("tells that a VIP is down, that services are, and that they are up again", async () => {
    const fleet = await Fleet.open();
    await fleet.see("timeout", "ok");
    expect(await fleet.told(1)).toEqual([`begun vip-down ${EU_VIP}`]);
    await fleet.see("timeout", "timeout");
    const all = await fleet.told(5);
    expect(all.slice(1).toSorted()).toEqual([
      "begun service-down mix.test.example",
      "begun service-down near.test.example",
      "begun service-down www.test.example",
      `begun vip-down ${EAST_VIP}`,
    ]);
    await fleet.see("ok", "ok");
    await fleet.see("ok", "ok");
    expect((await fleet.told(10)).slice(5).toSorted()).toEqual(
      all.map((line) => line.replace("begun", "ended")).toSorted(),
    );
    expect(fleet.node.desk.alarms().standing).toEqual([]);
  });

  test("tells nothing twice after a restart, and what has ended meanwhile", async () => {
    const fleet = await Fleet.open();
    await fleet.see("timeout", "ok");
    expect(await fleet.told(1)).toHaveLength(1);
    await fleet.settle();
    await fleet.node.close();
    await fleet.node.open();
    await fleet.settle();
    expect(told(fleet.receiver)).toHaveLength(1);
    fleet.agents = await fleet.node.agents("dublin", "virginia", "tokyo");
    await fleet.see("timeout", "ok");
    await fleet.settle();
    expect(told(fleet.receiver)).toHaveLength(1);
    await fleet.see("ok", "ok");
    expect(await fleet.told(2)).toEqual([`begun vip-down ${EU_VIP}`, `ended vip-down ${EU_VIP}`]);
  });

  test("goes on while a destination is out of reach, says so once, and tells it later in one message", async () => {
    const fleet = await Fleet.open();
    fleet.receiver.status = 503;
    await fleet.see("timeout", "ok");
    await fleet.told(1);
    await until(() => fleet.node.lines(/hook does not take messages/).length === 1);
    await fleet.see("timeout", "timeout");
    await fleet.settle();
    const refused = fleet.receiver.received.length;
    expect(fleet.node.desk.alarms().destinations).toMatchObject([
      { name: "hook", type: "webhook", waiting: 5, trouble: "HTTP status 503, expected 2xx", sent: 0 },
    ]);
    fleet.receiver.status = 200;
    fleet.node.pass(300_000);
    for (const agent of Object.values(fleet.agents ?? {}))
      await agent.report({ [EU_VIP]: "timeout", [EAST_VIP]: "timeout" });
    await until(() => fleet.receiver.received.length > refused);
    await until(() => fleet.node.lines(/hook takes messages again/).length === 1);
    expect(fleet.receiver.bodies.at(-1).data.alarms.length).toBeGreaterThanOrEqual(5);
    expect(fleet.node.lines(/does not take messages/)).toHaveLength(1);
  });

  test("tells that vantages are lost, and that verdicts are held", async () => {
    const fleet = await Fleet.open();
    fleet.node.pass(20_000);
    await fleet.settle();
    expect((await fleet.told(4)).toSorted()).toEqual([
      "begun vantage-lost dublin",
      "begun vantage-lost tokyo",
      "begun vantage-lost virginia",
      "begun verdicts-held web",
    ]);
  });

  test("tells that files are refused, and that they are in force again", async () => {
    const fleet = await Fleet.open();
    const { node, receiver } = fleet;
    node.folder.write("meridian.yaml", "nonsense: true");
    await node.change({ kind: "reload" });
    expect(await fleet.told(1)).toEqual(["begun files-refused files"]);
    expect(receiver.bodies[0].data.alarms[0].summary).toMatch(/meridian\.yaml:1:1: unknown key "nonsense"/);
    node.folder.write("meridian.yaml", config(receiver));
    await node.change({ kind: "reload" });
    expect(await fleet.told(2)).toContain("ended files-refused files");
  });

  test("tells that an override ends and has ended, but not of one that was to be short", async () => {
    const fleet = await Fleet.open();
    const { node } = fleet;
    const drain = (id: string, minutes: number) =>
      node.change({
        kind: "set-override",
        action: { kind: "drain", target: { by: "region", id } },
        untilMs: node.nowMs + minutes * 60_000,
      });
    await drain("eu-west", 30);
    await drain("us-east", 15);
    node.pass(21 * 60_000);
    await fleet.settle();
    await until(() => told(fleet.receiver).some((line) => line.includes("override-expired")));
    node.pass(10 * 60_000);
    await fleet.settle();
    const lines = (await fleet.told(8)).filter((line) => line.includes("override"));
    expect(lines.map((line) => line.replace(/entry \d+/, "entry"))).toEqual([
      "begun override-ending drain:region:eu-west",
      "happened override-expired audit entry",
      "ended override-ending drain:region:eu-west",
      "happened override-expired audit entry",
    ]);
  });

  test("tells of a change that was forced, once, and of none from before its first start", async () => {
    const fleet = await Fleet.open();
    const { node, receiver } = fleet;
    const drain = (force: boolean) =>
      node.desk.change({
        author: "anna",
        reason: "an experiment",
        edit: {
          kind: "set-override",
          action: { kind: "drain", target: { by: "region", id: "us-east" } },
          untilMs: null,
        },
        ifVersion: null,
        force,
      });
    node.folder.write(
      "meridian.yaml",
      `${config(receiver)}\ninvariants: { east: { services: mix.test.example, failures: 0, atMost: { eu-west: 60% } } }\n`,
    );
    expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "published" });
    expect(await drain(false)).toMatchObject({ kind: "refused" });
    expect(await drain(true)).toMatchObject({ kind: "published" });
    expect(await fleet.told(1)).toEqual([expect.stringMatching(/^happened change-forced audit entry \d+$/)]);
    expect(receiver.bodies[0].data.alarms[0].summary).toMatch(
      /^anna has forced drain region us-east, against .*east/,
    );
    await fleet.settle();
    expect(told(receiver)).toHaveLength(1);
  });

  test("tells of a change that was forced among many others of the same second", async () => {
    const fleet = await Fleet.open("severity: warning, group: 0s");
    const { node } = fleet;
    node.folder.write(
      "meridian.yaml",
      `${config(fleet.receiver, "severity: warning, group: 0s")}\nsafety: { minRegionsUp: 2 }\n`,
    );
    await node.change({ kind: "reload" });
    const drain = { kind: "drain", target: { by: "region", id: "us-east" } } as const;
    const edit = { kind: "set-override", action: drain, untilMs: null } as const;
    await node.desk.change({ author: "anna", reason: "hidden", edit, ifVersion: null, force: true });
    for (let i = 0; i < 120; i += 1) await node.addToken(`token-${i}`, { role: "reader" });
    expect(await fleet.told(1)).toEqual([expect.stringMatching(/^happened change-forced audit entry \d+$/)]);
  });

  test("tells only what its routes want: by severity, service and delay", async () => {
    const critical = await Fleet.open("severity: critical, group: 0s");
    await critical.see("timeout", "timeout");
    expect([...new Set((await critical.told(3)).map((line) => line.split(" ")[1]))]).toEqual([
      "service-down",
    ]);
    const service = await Fleet.open("services: [mix.test.example], group: 0s");
    await service.see("timeout", "timeout");
    expect((await service.told(3)).toSorted()).toEqual([
      "begun service-down mix.test.example",
      `begun vip-down ${EU_VIP}`,
      `begun vip-down ${EAST_VIP}`,
    ]);
    const late = await Fleet.open("delay: 1h");
    await late.see("timeout", "timeout");
    await late.settle();
    expect(told(late.receiver)).toEqual([]);
    expect(late.node.desk.alarms().standing).toHaveLength(5);
  });

  test("keeps secrets out of problems, logs and responses", async () => {
    const receiver = await Receiver.open();
    const folder = new Folder({ "meridian.yaml": config(receiver), "hook.secret": "too-short-a-secret" });
    chmodSync(folder.file("hook.secret"), 0o600);
    const node = new Node(folder);
    const opening = node.open();
    await until(() => node.lines(/waiting until they change/).length === 1);
    expect(JSON.stringify(node.logged)).toMatch(
      /expected the secret of destination hook: whsec_ and at least 24 octets/,
    );
    expect(JSON.stringify(node.logged)).not.toContain("too-short-a-secret");
    folder.write("hook.secret", SECRET);
    await opening;
    receiver.status = 500;
    await node.desk.testAlarm("hook");
    expect(JSON.stringify([node.logged, node.desk.alarms()])).not.toContain(SECRET);
  });
});

describe("the API", () => {
  test("lists what is wrong and who is told, and sends tests", async () => {
    const fleet = await Fleet.open();
    await fleet.node.close();
    const api = await TestApi.open(fleet.node);
    await fleet.connect();
    await fleet.see("timeout", "ok");
    await fleet.told(1);
    expect((await api.get("/v1/alarms")).body).toMatchObject({
      alarms: [
        {
          key: `vip-down/${EU_VIP}`,
          severity: "warning",
          summary: expect.stringMatching(/3 vantages|timeout/),
        },
      ],
      destinations: [
        { name: "hook", type: "webhook", sent: 1, failed: 0, waiting: 0, trouble: null, lost: 0 },
      ],
      next: null,
    });
    expect((await api.get("/v1/alarms?severity=critical")).body.alarms).toEqual([]);
    const options = { api: api.url };
    expect(await printed(api, () => listAlarms(options))).toEqual([
      "severity  since                     kind      what",
      expect.stringMatching(
        /^warning {3}2026-01-01T00:00:[0-9.]+Z {2}vip-down {2}web\/eu-west\/ipv4 is down: /,
      ),
    ]);
    expect(await printed(api, () => listDestinations(options))).toEqual([
      "destination  type     sent  not taken  waiting  trouble",
      "hook         webhook  1     0          0",
    ]);
    expect(await printed(api, () => testDestination("hook", options))).toEqual(["hook has taken the test"]);
    const [path, hook] = ["/v1/alarms/tests", { destination: "hook" }];
    expect((await api.post(path, hook)).body).toEqual({ taken: true, message: null });
    expect(told(fleet.receiver).at(-1)).toBe("happened test hook");
    fleet.receiver.status = 403;
    expect((await api.post(path, hook)).body).toEqual({
      taken: false,
      message: "HTTP status 403, expected 2xx",
    });
    expect((await api.post(path, { destination: "hok" })).status).toBe(404);
  });
});

/** What a command prints, with the token of an admin. */
async function printed({ tokens }: TestApi, command: () => Promise<void>): Promise<readonly string[]> {
  const lines: string[] = [];
  const write = process.stdout.write;
  vi.stubEnv("MERIDIAN_TOKEN", tokens.admin);
  process.stdout.write = (text: string | Uint8Array): boolean => lines.push(String(text).trimEnd()) > 0;
  try {
    await command();
  } finally {
    process.stdout.write = write;
  }
  return lines;
}
