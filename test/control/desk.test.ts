/** A whole node's control: files and reports in, answers out. */

import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Edit } from "../../src/control/change.ts";
import type { ExplainQuestion } from "../../src/control/desk.ts";
import type { Verdict } from "../../src/health/verdict.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { type Name, parseName, rootName } from "../../src/wire/name.ts";
import type { TestAgent } from "./test-agent.ts";
import { CONFIG, Dns, Folder, GB, Node, US, until, ZONE } from "./test-node.ts";

const EU = "10.0.0.2";
const EAST = "10.0.0.1";
const EU_VIP = "web/eu-west/ipv4";
const EAST_VIP = "web/us-east/ipv4";
const WWW = "www.test.example";

const DRAIN_EU: Edit = {
  kind: "set-override",
  action: { kind: "drain", target: { by: "region", id: "eu-west" } },
  untilMs: null,
};

describe("a desk that opens", () => {
  test("publishes the files of its folder, and dns answers from them", async () => {
    const node = await new Node().open();
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    expect(node.dns.addresses(WWW, US)).toEqual([EAST]);
    expect(node.dns.addresses("shop.test.example", GB)).toEqual([EU]);
    expect(node.dns.addresses(WWW, GB, "AAAA")).toEqual(["2001:db8::2"]);
    expect(node.desk.status()).toMatchObject({
      version: 1,
      adoptedVersion: 1,
      lastReload: { kind: "loaded" },
    });
  });

  test("goes on from the version that dns serves, however old its store is", async () => {
    const first = await new Node().open();
    await first.close();
    const elsewhere = await new Node(new Folder(), first.dns).open();
    expect(elsewhere.dns.host.version).toBe(2);
  });

  test("with files that cannot be used waits until they can", async () => {
    const folder = new Folder({ "test.example.zone": "@ SOA nonsense" });
    const node = new Node(folder);
    const opening = node.open();
    await until(() => node.lines(/waiting until they change/).length === 1);
    expect(node.dns.count("adopt")).toBe(0);
    folder.write("test.example.zone", ZONE);
    await opening;
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
  });
});

describe("a desk that is opened while its files cannot be used", () => {
  test.each([
    ["a zone is gone", "test.example.zone", null],
    ["a zone is broken", "test.example.zone", "@ SOA nonsense"],
    ["the config is broken", "meridian.yaml", "{{{"],
    [
      "the config breaks an invariant",
      "meridian.yaml",
      `${CONFIG}invariants: { home: { clients: { continents: [EU] }, only: us-east } }\n`,
    ],
  ])("begins with those of before: %s", async (_, name, text) => {
    const folder = new Folder();
    const first = await new Node(folder).open();
    writeFileSync(folder.file("state/last-good.yaml"), CONFIG);
    await first.change(DRAIN_EU);
    await first.close();
    const sound = readFileSync(folder.file(name), "utf8");
    if (text === null) rmSync(folder.file(name));
    else folder.write(name, text);
    const node = await new Node(folder, first.dns).open();
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(await node.change({ kind: "end-override", id: "drain:region:eu-west" })).toMatchObject({
      kind: "published",
    });
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    expect(
      node.lines(/the files cannot be used; those of version 1, which were in force before, still are/),
    ).toHaveLength(1);
    expect(node.desk.status()).toMatchObject({
      lastReload: {
        kind: "refused",
        problems: expect.arrayContaining([expect.objectContaining({ file: folder.file(name) })]),
      },
      declared: { drift: "the files on disk are refused, and those from before are in force" },
    });
    folder.write(name, sound);
    await until(() => node.desk.status().lastReload.kind === "loaded");
    expect(node.desk.status().declared.drift).toBeNull();
  });

  test("waits where the files of before are not those that dns answers by", async () => {
    const folder = new Folder();
    const first = await new Node(folder).open();
    await first.close();
    const store = readFileSync(folder.file("state/meridian.db"));
    const second = await new Node(folder, first.dns).open();
    await second.close();
    writeFileSync(folder.file("state/meridian.db"), store);
    folder.write("test.example.zone", "@ SOA nonsense");
    const node = new Node(folder, first.dns);
    const opening = node.open();
    await until(() => node.lines(/waiting until they change/).length === 1);
    folder.write("test.example.zone", ZONE);
    await opening;
  });
});

describe("reports", () => {
  test("of a majority move every answer at once, and one line says who, why and what", async () => {
    const node = await new Node().open();
    const { dublin, virginia, tokyo } = await node.agents("dublin", "virginia", "tokyo");
    await seeBothUp([dublin, virginia, tokyo]);
    await dublin.report({ [EU_VIP]: "timeout" });
    node.pass(1_000);
    await virginia.report({ [EU_VIP]: "timeout" });
    await dublin.report({ [EU_VIP]: "timeout" });
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    node.pass(1_000);
    const before = node.dns.messages.length;
    await virginia.report({ [EU_VIP]: "timeout" });
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    // Answers are asked for time first.
    expect(node.dns.messages.slice(before, before + 2).map(({ kind }) => kind)).toEqual(["room", "patch"]);
    expect(node.dns.addresses(WWW, GB, "AAAA")).toEqual(["2001:db8::1"]);
    expect(node.dns.count("adopt")).toBe(1);
    expect(node.lines(/judged/)).toEqual([
      "eu-west down: web/eu-west/ipv4 judged down by 2 of 3 vantages (dublin timeout, virginia timeout) (+1 VIP); " +
        "moved: www.test.example eu-west 100 % -> us-east 100 % (+2 services)",
    ]);
  });

  test("of one vantage move the clients near it, and nobody else, where the pool is steered per vantage", async () => {
    const config = CONFIG.replace("    check: web\n", "    check: web\n    perVantage: true\n");
    const node = await new Node(new Folder({ "meridian.yaml": config })).open();
    const { dublin, virginia, tokyo } = await node.agents("dublin", "virginia", "tokyo");
    await seeBothUp([dublin, virginia, tokyo]);
    for (const outcome of ["timeout", "timeout"] as const) {
      node.pass(1_000);
      await dublin.report({ [EU_VIP]: outcome });
    }
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(node.dns.addresses(WWW, GB, "AAAA")).toEqual(["2001:db8::1"]);
    expect(verdictOn(node, EU_VIP)?.reason).toBe("up for 2 of 3 vantages; down from dublin only");
    expect(node.lines(/sees/)).toEqual([
      "dublin sees web/eu-west/ipv4 down: timeout (+1 vote); moved: www.test.example eu-west 100 % -> us-east 100 % (+2 services)",
    ]);
    const both = [EAST, EU].sort();
    expect([GB, US].map((client) => node.dns.addresses("near.test.example", client))).toEqual([[EAST], both]);

    // It is on record as well, for who asks later.
    const all = { sinceMs: 0, untilMs: Number.MAX_SAFE_INTEGER, limit: 1, before: null };
    const [recorded] = node.desk.history({ ...all, vip: EU_VIP });
    expect(recorded?.atMs).toBe(node.nowMs);
    expect(JSON.parse(recorded?.content ?? "")).toMatchObject({
      up: true,
      votes: [{ vantage: "dublin", opinion: "unhealthy", counts: true }, {}, {}],
    });

    // One that loses its own network moves nobody: it is isolated.
    node.pass(1_000);
    for (const outcome of ["timeout", "timeout"] as const) {
      node.pass(1_000);
      await dublin.report({ [EU_VIP]: outcome, [EAST_VIP]: outcome });
    }
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
  });

  test("are not forgotten in a restart: who was down is down", async () => {
    const node = await new Node().open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    await node.close();

    const again = await new Node(node.folder, node.dns).open();
    expect(again.dns.addresses(WWW, GB)).toEqual([EAST]);
    const verdict = again.desk.verdicts().find(({ vip }) => vip === EU_VIP);
    expect(verdict).toMatchObject({ up: false, basis: "held" });
  });

  test("of success bring a VIP back step by step, each step at its time", async () => {
    const node = await new Node(
      new Folder({ "meridian.yaml": CONFIG.replace("slowStart: 0s", "slowStart: 9s") }),
    ).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    await seeUpAgain(node, agents, EU_VIP);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST, EU]);
    for (let steps = 0; steps < 9; steps += 1) node.pass(1_000);
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
  });

  test("of success start a hold, which goes on through a restart and ends at its time", async () => {
    const folder = new Folder({ "meridian.yaml": HELD });
    const node = await new Node(folder).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    await seeUpAgain(node, agents, EU_VIP);
    const { hold, reason } = verdictOn(node, EU_VIP)!;
    expect(hold!.untilMs! - hold!.healthySinceMs).toBe(60_000);
    expect(reason).toMatch(/^up for 2 of 2 vantages since .*, held down for 1m until .* \(1 flap\)$/);

    const again = await restarted(node);
    expect(verdictOn(again, EU_VIP)).toMatchObject({ up: false, basis: "held", hold, flaps: 1 });
    again.pass(hold!.untilMs! - again.desk.nowMs() - 1);
    const later = Object.values(await again.agents("dublin", "virginia"));
    for (const agent of later) await agent.report({ [EU_VIP]: "ok" });
    expect(again.dns.addresses(WWW, GB)).toEqual([EAST]);
    again.pass(1);
    expect(again.dns.addresses(WWW, GB)).toEqual([EU]);

    const third = await restarted(again);
    expect(verdictOn(third, EU_VIP)).toMatchObject({ up: true, hold: null, flaps: 1 });
  });

  test("of success end no hold before an operator does, who is on record", async () => {
    const folder = new Folder({
      "meridian.yaml": CONFIG.replace("slowStart: 0s", "slowStart: 0s, failback: manual"),
    });
    const node = await new Node(folder).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    const edit = { kind: "release", target: { by: "region", id: "eu-west" } } as const;
    expect(await node.change(edit)).toMatchObject({
      kind: "refused",
      problems: [{ message: "region eu-west: nothing of it is held down" }],
    });
    await seeUpAgain(node, agents, EU_VIP);
    node.pass(5_000);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(verdictOn(node, EU_VIP)?.reason).toMatch(/held down until it is released$/);
    expect(await node.change(edit)).toEqual({ kind: "published", version: 2 });
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    expect(node.desk.audit(1, null)).toMatchObject([
      { event: "hold-released", detail: "release region eu-west: web/eu-west/ipv4, web/eu-west/ipv6" },
    ]);

    const again = await restarted(node);
    expect(again.dns.addresses(WWW, GB)).toEqual([EU]);
  });

  test("end with the token of their agent", async () => {
    const node = await new Node().open();
    const { dublin } = await node.agents("dublin");
    expect(node.desk.vantages().map(({ streams }) => streams)).toEqual([1, 0, 0]);
    node.desk.removeToken("agent-dublin", "anna");
    const refused = dublin.next("refused");
    node.pass(1_000);
    expect((await refused).reason).toBe("this token was removed, or has expired");
    await until(() => node.desk.vantages().every(({ streams }) => streams === 0));
  });
});

describe("a service that goes on with its last good answers", () => {
  const folder = () =>
    new Folder({ "meridian.yaml": CONFIG.replace("    ttl: 5s\n", "    ttl: 5s\n    whenDown: lastGood\n") });

  test("gives them to each class of clients, through changes of zone and config, until something is up", async () => {
    const node = await new Node(folder()).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    await seeDown(node, agents, EAST_VIP);
    // As if all were up, Europe would get its own region.
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(node.dns.addresses(WWW, GB, "AAAA")).toEqual(["2001:db8::1"]);
    expect(node.dns.addresses("near.test.example", GB)).toEqual([EAST, EU]);
    expect(node.desk.explain(asked(WWW, GB, 4))).toMatchObject({
      explanation: { plan: { kind: "answer", lastResort: true, shares: [{ vip: EAST_VIP, share: 1 }] } },
    });

    node.folder.write("test.example.zone", ZONE.replace("192.0.2.53", "192.0.2.54"));
    expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "published" });
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    const edited = CONFIG.replace("    ttl: 5s\n", "    ttl: 6s\n    whenDown: lastGood\n");
    node.folder.write("meridian.yaml", edited);
    expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "published" });
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);

    await seeUpAgain(node, agents, EU_VIP);
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    await seeDown(node, agents, EU_VIP);
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    expect(node.dns.addresses(WWW, US)).toEqual([EU]);
  });

  test("gives those of a region that died while a new book was made", async () => {
    const node = await new Node(folder()).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    const reload = node.change({ kind: "reload" });
    await seeDown(node, agents, EAST_VIP);
    await reload;
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
  });

  test("is answered as if all were up where nothing is known, until something has been up", async () => {
    const node = await new Node(new Folder()).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    await seeDown(node, agents, EAST_VIP);
    await node.close();
    node.folder.write(
      "meridian.yaml",
      CONFIG.replace("    ttl: 5s\n", "    ttl: 5s\n    whenDown: lastGood\n"),
    );
    const again = await new Node(node.folder, node.dns).open();
    expect(again.dns.addresses(WWW, GB)).toEqual([EU]);
    const later = Object.values(await again.agents("dublin", "virginia"));
    await seeUpAgain(again, later, EAST_VIP);
    await seeDown(again, later, EAST_VIP);
    expect(again.dns.addresses(WWW, GB)).toEqual([EAST]);
  });

  test("gives them after a restart too", async () => {
    const node = await new Node(folder()).open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    await seeDown(node, agents, EU_VIP);
    await seeDown(node, agents, EAST_VIP);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    let again = await restarted(node);
    expect(again.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(again.dns.addresses(WWW, GB, "AAAA")).toEqual(["2001:db8::1"]);
    // What was down and up again in between is forgotten.
    const later = Object.values(await again.agents("dublin", "virginia"));
    await seeUpAgain(again, later, EU_VIP);
    again = await restarted(again);
    const last = Object.values(await again.agents("dublin", "virginia"));
    await seeDown(again, last, EU_VIP);
    expect(again.dns.addresses(WWW, GB)).toEqual([EU]);
    again = await restarted(again);
    expect(again.dns.addresses(WWW, GB)).toEqual([EU]);
  });
});

describe("an override", () => {
  test("is in answers without a new book, and stays through a restart", async () => {
    const node = await new Node().open();
    const action = { kind: "drain", target: { by: "region", id: "eu-west" } } as const;
    const outcome = await node.change({ kind: "set-override", action, untilMs: null });
    expect(outcome).toEqual({ kind: "published", version: 2 });
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(node.dns.count("adopt")).toBe(1);
    await node.close();

    const again = await new Node(node.folder, node.dns).open();
    expect(again.dns.addresses(WWW, GB)).toEqual([EAST]);
    expect(again.desk.overrides()).toMatchObject([
      { id: "drain:region:eu-west", author: "anna", stale: false },
    ]);
    expect(again.desk.status().version).toBe(3);
  });

  test.each([
    ["a choice of a named policy", "mix.test.example", { by: "choice", id: "mix/old" }],
    [
      "a choice of a policy written in place",
      "near.test.example",
      { by: "choice", id: "near.test.example/here" },
    ],
    ["a member", "mix.test.example", { by: "member", id: "web/eu-west" }],
  ] as const)("sets the weight of %s", async (_, qname, target) => {
    const node = await new Node().open();
    const weigh = (weight: number): Promise<unknown> =>
      node.change({ kind: "set-override", action: { kind: "weight", target, weight }, untilMs: null });
    expect(node.dns.addresses(qname, GB)).toEqual([EAST, EU]);
    await weigh(0);
    // A member's own weight counts among the members of its pool; as the only one of a choice it steps aside all the same.
    expect(node.dns.addresses(qname, GB)).toEqual([EAST]);
    await weigh(7);
    expect(node.dns.addresses(qname, GB)).toEqual([EAST, EU]);
  });

  test("ends by itself, exactly at its end, and that is on record", async () => {
    const node = await new Node().open();
    const action = { kind: "force", target: { by: "region", id: "eu-west" }, verdict: "down" } as const;
    await node.change({ kind: "set-override", action, untilMs: node.nowMs + 60_000 });
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    node.pass(59_999);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    node.pass(1);
    await until(() => node.desk.overrides().length === 0);
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    const [last] = node.desk.audit(1, null);
    expect(last).toMatchObject({ author: "meridian", event: "override-expired", version: 3 });
  });

  test("that ended while nobody ran is gone after the start", async () => {
    const node = await new Node().open();
    const action = { kind: "drain", target: { by: "region", id: "eu-west" } } as const;
    await node.change({ kind: "set-override", action, untilMs: node.nowMs + 1_000 });
    await node.close();
    const again = new Node(node.folder, node.dns);
    again.nowMs = node.nowMs + 5_000;
    await again.open();
    expect(again.dns.addresses(WWW, GB)).toEqual([EU]);
    await until(() => again.desk.overrides().length === 0);
  });

  test("is drained, forced and weighed independently of the others", async () => {
    const node = await new Node().open();
    const target = { by: "member", id: "web/eu-west" } as const;
    await node.change({ kind: "set-override", action: { kind: "drain", target }, untilMs: null });
    await node.change({
      kind: "set-override",
      action: { kind: "force", target, verdict: "up" },
      untilMs: null,
    });
    expect(node.desk.overrides()).toHaveLength(2);
    await node.change({ kind: "end-override", id: "drain:member:web/eu-west" });
    expect(node.desk.overrides().map(({ id }) => id)).toEqual(["force:member:web/eu-west"]);
    expect(node.desk.verdicts().filter(({ basis }) => basis === "forced")).toHaveLength(2);
  });
});

describe("a change of the files", () => {
  test("is seen and put in force, with the overrides on top", async () => {
    const node = await new Node().open();
    const action = { kind: "drain", target: { by: "member", id: "web/eu-west" } } as const;
    await node.change({ kind: "set-override", action, untilMs: null });
    node.folder.write("test.example.zone", `${ZONE}\nnew STEER www\n`);
    await until(() => node.dns.host.version === 3);
    await until(() => node.desk.status().version === 3);
    expect(node.dns.addresses("new.test.example", GB)).toEqual([EAST]);
    expect(node.desk.audit(1, null)).toMatchObject([{ author: "file", event: "files-loaded" }]);
  });

  test("that brings problems changes nothing, and says so with every place", async () => {
    const node = await new Node().open();
    node.folder.write("meridian.yaml", CONFIG.replace("default: us-first", "default: us-frist"));
    await until(() => node.desk.status().lastReload.kind === "refused");
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    expect(node.desk.status()).toMatchObject({ version: 1, lastReload: { problems: [{ line: 30 }] } });
    node.folder.write("meridian.yaml", CONFIG);
    await until(() => node.desk.status().lastReload.kind === "loaded");
  });

  test("that breaks the geo database keeps the old one in use, and says so", async () => {
    const node = await new Node().open();
    writeFileSync(node.folder.file("new.mmdb"), "half a file");
    renameSync(node.folder.file("new.mmdb"), node.folder.file("geo.mmdb"));
    await until(() => node.dns.host.version === 2);
    await until(() => node.desk.status().version === 2);
    expect(node.dns.addresses(WWW, GB)).toEqual([EU]);
    expect(node.desk.status().lastReload).toMatchObject({ kind: "loaded", warnings: [{}] });
    expect(node.lines(/as read before is used/)).toHaveLength(1);
  });

  test("that dns refuses leaves the old book in force, and flips still reach it", async () => {
    const node = await new Node().open();
    node.dns.refusal = "a test";
    const outcome = await node.change({ kind: "reload" });
    expect(outcome).toMatchObject({
      kind: "refused",
      problems: [{ message: "dns refused the book: a test" }],
    });
    expect(node.desk.status()).toMatchObject({ version: 1, lastReload: { kind: "refused" } });
    const action = { kind: "drain", target: { by: "region", id: "eu-west" } } as const;
    await node.change({ kind: "set-override", action, untilMs: null });
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
  });

  test("loses no flip that comes while its book is on the way", async () => {
    const node = await new Node().open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    const tell = node.dns.tell;
    const adopted = Promise.withResolvers<() => void>();
    node.dns.tell = (message) => adopted.resolve(() => tell(message));
    const reload = node.change({ kind: "reload" });
    const letGo = await adopted.promise;
    await seeDown(node, agents, EU_VIP);
    node.dns.tell = tell;
    letGo();
    await reload;
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
  });

  test("keeps nobody waiting: a flip that comes while they are read is in answers before they are", async () => {
    const node = await new Node().open();
    const agents = Object.values(await node.agents("dublin", "virginia"));
    await seeBothUp(agents);
    const names = Array.from({ length: 50_000 }, (_, i) => `n${i} A 192.0.2.1\n`);
    node.folder.write("test.example.zone", `${ZONE}${names.join("")}`);
    let isLoaded = false;
    const reload = node.change({ kind: "reload" }).then(() => {
      isLoaded = true;
    });
    await seeDown(node, agents, EU_VIP);
    expect(isLoaded).toBe(false);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
    await reload;
    expect(node.dns.addresses("n49999.test.example", GB)).toEqual(["192.0.2.1"]);
    expect(node.dns.addresses(WWW, GB)).toEqual([EAST]);
  });

  test("flags an override whose target has gone, and keeps it", async () => {
    const node = await new Node().open();
    const action = { kind: "weight", target: { by: "choice", id: "mix/new" }, weight: 1 } as const;
    await node.change({ kind: "set-override", action, untilMs: null });
    node.folder.write("meridian.yaml", CONFIG.replaceAll("new: {", "fresh: {"));
    await node.change({ kind: "reload" });
    expect(node.desk.overrides()).toMatchObject([{ id: "weight:choice:mix/new", stale: true }]);
  });
});

describe("the desk tells", () => {
  test("why a client gets its answers, and with which scope", async () => {
    const node = await new Node().open();
    const found = node.desk.explain(asked(WWW, GB, 4));
    if (found.kind !== "explained") throw new Error(found.message);
    expect(found.scopePrefixLength).toBe(24);
    expect(found.explanation.plan).toMatchObject({ shares: [{ vip: EU_VIP, share: 1 }] });
    expect(node.desk.explain(asked("shop.test.example", US, 4))).toMatchObject({
      service: { label: WWW },
      explanation: { plan: { shares: [{ vip: EAST_VIP }] } },
    });
    expect(node.desk.explain(asked("mix.test.example", US, 6))).toMatchObject({
      scopePrefixLength: 0,
    });
  });

  test("that a name is not steered, and which one may be meant", async () => {
    const node = await new Node().open();
    expect(node.desk.explain(asked("wwww.test.example", GB, 4))).toEqual({
      kind: "not-steered",
      message:
        'wwww.test.example is not steered: no service answers for it; did you mean "www.test.example"?',
    });
  });

  test("what dns has counted", async () => {
    const node = await new Node().open();
    node.dns.addresses(WWW, GB);
    const counters = await node.desk.counters();
    expect(Math.max(...counters)).toBe(100);
  });

  test("who a token belongs to, and nothing once it is removed", async () => {
    const node = await new Node().open();
    const order = { name: "ci", grant: { role: "admin" }, expiresMs: null } as const;
    const secret = (await node.desk.addToken(order, "anna")) ?? "";
    expect(await node.desk.addToken(order, "anna")).toBeNull();
    expect(await node.desk.authenticate(secret, "192.0.2.1")).toMatchObject({
      kind: "known",
      token: { name: "ci", grant: { role: "admin" } },
    });
    expect(await node.desk.authenticate(`${secret}x`, "192.0.2.1")).toEqual({ kind: "unknown" });
    expect(node.desk.removeToken("ci", "anna")).toBe(true);
    expect(await node.desk.authenticate(secret, "192.0.2.1")).toEqual({ kind: "unknown" });
  });
});

test("a cold start of dns finds the plans of the last flip in the book on disk", async () => {
  const node = await new Node().open();
  const action = { kind: "drain", target: { by: "region", id: "eu-west" } } as const;
  await node.change({ kind: "set-override", action, untilMs: null });
  await node.close();
  const cold = new Dns();
  expect(await cold.host.adopt(node.folder.file("state/book"))).toEqual({
    kind: "adopted",
    version: 1,
    problems: [],
  });
  expect(cold.addresses(WWW, GB)).toEqual([EAST]);
});

const HELD = CONFIG.replace("slowStart: 0s", "slowStart: 0s, failback: { holdDown: 1m }");

/** The node after a restart of its control at the same moment. */
async function restarted(node: Node): Promise<Node> {
  await node.close();
  const again = new Node(node.folder, node.dns);
  again.nowMs = node.nowMs;
  return again.open();
}

function verdictOn({ desk }: Node, vip: string): Verdict | undefined {
  return desk.verdicts().find((verdict) => verdict.vip === vip);
}

function asked(qname: string, client: string, family: 4 | 6): ExplainQuestion {
  return { qname: name(qname), client: address(client), family, supposed: [] };
}

/** Lets every vantage see both regions up. */
async function seeBothUp(agents: readonly TestAgent[]): Promise<void> {
  for (const agent of agents) await agent.report({ [EU_VIP]: "ok", [EAST_VIP]: "ok" }, 500);
}

/** Lets every vantage fail on a VIP until it is down. */
async function seeDown(node: Node, agents: readonly TestAgent[], vip: string): Promise<void> {
  for (let failures = 0; failures < 2; failures += 1) {
    for (const agent of agents) await agent.report({ [vip]: "timeout" });
    node.pass(1_000);
  }
}

/** Lets every vantage see a VIP that is down be healthy again. */
async function seeUpAgain(node: Node, agents: readonly TestAgent[], vip: string): Promise<void> {
  for (let successes = 0; successes < 2; successes += 1) {
    node.pass(1_000);
    for (const agent of agents) await agent.report({ [vip]: "ok" });
  }
}

function name(text: string): Name {
  const parsed = parseName(text, rootName);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

function address(text: string): NonNullable<ReturnType<typeof parseAddress>> {
  const parsed = parseAddress(text);
  if (parsed === null) throw new Error(text);
  return parsed;
}
