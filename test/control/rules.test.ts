import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkFolder } from "../../src/control/check-folder.ts";
import type { Action } from "../../src/control/override.ts";
import { formatVerification } from "../../src/control/rules.ts";
import { CONFIG, Folder, GB, Node, ZONE } from "./test-node.ts";

const TWO_REGIONS = `
invariants:
  two regions: { answerable: 2 }
`;

const NAMES = ["a", "b", "c"];
const POOLS = NAMES.map(
  (name, i) => `  ${name}: { members: { us-east: { ipv4: 10.1.${i}.1 }, eu-west: { ipv4: 10.1.${i}.2 } } }\n`,
);
/** Three more services with pools of their own, alike but for names. */
const COPIES = `${CONFIG.replace("policies:\n", `${POOLS.join("")}policies:\n`)}${NAMES.map(
  (name) => `  ${name}.test.example: { policy: { nearest: ${name} } }\n`,
).join("")}`;

const HALF = "\ninvariants: { half: { services: [mix.*], failures: 0, atMost: { eu-west: 60% } } }\n";

function folderWith(rules: string, labels = ""): Folder {
  return new Folder({ "meridian.yaml": `${CONFIG}${rules}`, "labels.csv": labels });
}

function messages(folder: Folder): readonly string[] {
  return checkFolder(folder.path).problems.map(({ message }) => message);
}

const drainEurope: Action = { kind: "drain", target: { by: "region", id: "eu-west" } };
const downUs: Action = { kind: "force", target: { by: "member", id: "web/us-east" }, verdict: "down" };

function weight(choice: string, to: number): Action {
  return { kind: "weight", target: { by: "choice", id: `mix/${choice}` }, weight: to };
}

function set(node: Node, action: Action, force = false, forMs: number | null = null) {
  return node.desk.change({
    author: "anna",
    reason: "maintenance",
    edit: { kind: "set-override", action, untilMs: forMs && node.nowMs + forMs },
    ifVersion: null,
    force,
  });
}

describe("a test", () => {
  test("that fails says what came, for whom and why", () => {
    const folder = folderWith(`
tests:
  Britain: { service: www.test.example, client: { country: GB }, down: eu-west, expect: [eu-west, 10.0.0.2] }
`);
    const { value, problems } = checkFolder(folder.path);
    expect(value).toBeNull();
    expect(problems).toMatchObject([
      {
        file: folder.file("meridian.yaml"),
        column: 3,
        message:
          'test "Britain": expected eu-west or 10.0.0.2, got A: web/us-east/ipv4 100 %; AAAA: web/us-east/ipv6 100 %',
        details: expect.arrayContaining([
          "service www.test.example",
          "location: EU GB 53,-1.5",
          "    continent EU > failover eu-first > choice 1 > web/eu-west: down, as supposed",
          "A: web/us-east/ipv4 100 %",
        ]),
      },
    ]);
  });

  test.each([
    ["an address, by the geo data", `client: ${GB}, expect: eu-west`],
    ["a prefix, by its first address", "client: 192.0.2.0/25, expect: eu-west"],
    ["a family", `client: ${GB}, family: ipv6, expect: "2001:db8::2"`],
    ["a subdivision, whose country follows", "client: { subdivision: GB-ENG }, expect: eu-west"],
    ["a client of whom nothing is known", "client: {}, expect: us-east"],
    ["a drain", "client: { country: GB }, drained: eu-west, expect: us-east"],
    [
      "a VIP that is down, and the other that it speaks for",
      "client: { country: GB }, down: web/eu-west/ipv4, expect: us-east",
    ],
    ["a weight of 0", "client: { country: GB }, weights: { web/eu-west: 0 }, expect: us-east"],
    ["all down", "client: { country: GB }, down: [eu-*, us-*], expect: eu-west"],
  ])("can be about %s", (_, rest) => {
    expect(messages(folderWith(`\ntests: { one: { service: www.test.example, ${rest} } }\n`))).toEqual([]);
  });

  test.each([
    ["none are stated: by distance", "expect: eu-west"],
    ["one is nearer than by distance", "rtt: { us-east: 0ms }, expect: us-east"],
    ["one is farther than by distance", "rtt: { eu-west: 1s }, expect: us-east"],
    [
      "one is nearer by less than it takes to overtake",
      "rtt: { eu-west: 21ms, us-east: 20ms }, expect: us-east",
    ],
    ["the first is down", "rtt: { us-east: 1ms, eu-west: 20ms }, down: us-east, expect: eu-west"],
  ])("can be about round-trip times: %s", (_, rest) => {
    const fast = "\n  fast.test.example: { policy: { latency: web } }\n";
    const test = `tests: { one: { service: fast.test.example, client: { country: GB }, ${rest} } }`;
    expect(messages(folderWith(`${fast}${test}\n`))).toEqual([]);
  });

  test.each([
    ["new 50%, old 50%", "expect: { us-east: 50%, web/eu-west: 50% }", []],
    [
      "new 60%",
      "expect: { us-east: 60% }",
      [
        'test "one": expected us-east 60 %, got A: web/us-east/ipv4 50 %, web/eu-west/ipv4 50 %; AAAA: web/us-east/ipv6 50 %, web/eu-west/ipv6 50 %',
      ],
    ],
    ["new 60%, give or take", "expect: { us-east: 60% }, tolerance: 10%", []],
    ["another weight", "weights: { mix/new: 150 }, expect: { us-east: 75% }", []],
  ])("can be about shares: %s", (_, rest, problems) => {
    const rules = `\ntests: { one: { service: mix.test.example, client: {}, ${rest} } }\n`;
    expect(messages(folderWith(rules))).toEqual(problems);
  });

  test("about a label that no file has is refused, with the one that was meant", () => {
    const rules =
      "\ntests: { one: { service: www.test.example, client: { label: ofice }, expect: us-east } }\n";
    expect(messages(folderWith(rules, "192.0.2.0/25,office"))).toEqual([
      'test "one": no prefix in the files of geo.labels has the label "ofice"; did you mean "office"?',
    ]);
  });
});

describe("an invariant", () => {
  test("about clients that nobody is is refused", () => {
    const rules = "\ninvariants: { one: { clients: { countries: [NO] }, only: us-east } }\n";
    expect(messages(folderWith(rules))).toEqual([
      'invariant "one": the geo data knows no client in country NO',
    ]);
  });

  test("is tried with clients of a prefix that no policy names", () => {
    const clients = (prefix: string): string =>
      `\ninvariants: { one: { services: [www.*], failures: 0, clients: { prefixes: [${prefix}] }, only: eu-west } }\n`;
    expect(messages(folderWith(clients("192.0.2.128/25")))).toEqual([]);
    expect(messages(folderWith(clients("203.0.113.128/25")))).toEqual([
      'invariant "one": www.test.example: expected only eu-west, got A: web/us-east/ipv4 100 %',
    ]);
  });

  test("names services that fare alike together", () => {
    const rules = "\ninvariants: { one: { services: [a.*, b.*, c.*], only: eu-west } }\n";
    const folder = new Folder({ "meridian.yaml": `${COPIES}${rules}` });
    expect(messages(folder)).toEqual([
      'invariant "one": a.test.example and 2 services like it: expected only eu-west, got A: a/us-east/ipv4 100 %',
    ]);
  });

  test("tells services apart whose members can take on differently much", () => {
    const pools = [50, 5].map((capacity, i) => {
      const members = `us-1: { region: us-east, ipv4: 10.1.${i}.1, capacity: 50 }, us-2: { region: us-east, ipv4: 10.1.${i}.2, capacity: ${capacity} }`;
      return `  ${NAMES[i]}: { members: { ${members}, eu-west: { ipv4: 10.1.${i}.3, capacity: 50 } } }\n`;
    });
    const config = `${CONFIG.replace("policies:\n", `${pools.join("")}policies:\n`)}
  a.test.example: { policy: a }
  b.test.example: { policy: b }
invariants: { one: { services: [a.*, b.*], atMost: { "*/us-1": 60% } } }
`;
    // Without eu-west half of its third goes to each us member of a, and of b ten elevenths to the first.
    expect(messages(new Folder({ "meridian.yaml": config }))).toEqual([
      'invariant "one": b.test.example: expected at most 60 % for */us-1, got A: b/us-1/ipv4 63.6 %, b/us-2/ipv4 36.4 %',
    ]);
  });

  test("is reported with how much was tried", () => {
    const { value, verification } = checkFolder(folderWith(TWO_REGIONS).path);
    expect(formatVerification(verification!, value!.config)).toEqual([
      expect.stringMatching(/^1 invariant held in \d+ plans: every combination of regions up and down$/),
    ]);
  });
});

describe("an override", () => {
  test("that breaks an invariant is refused with the case, and changes nothing", async () => {
    const node = await new Node(folderWith(TWO_REGIONS)).open();
    const { version } = node.desk.status();
    expect(await set(node, drainEurope)).toMatchObject({
      kind: "refused",
      problems: expect.arrayContaining([
        expect.objectContaining({
          file: node.folder.file("meridian.yaml"),
          message:
            'invariant "two regions": www.test.example: expected at least 2 regions that can answer IPv4, found us-east',
          details: expect.arrayContaining(["regions down: nothing"]),
        }),
      ]),
    });
    expect(node.desk.status().version).toBe(version);
    expect(node.desk.overrides()).toEqual([]);
    expect(node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.2"]);
  });

  test("is made by who forces it, and the audit says against what", async () => {
    const node = await new Node(folderWith(TWO_REGIONS)).open();
    expect(await set(node, drainEurope, true)).toMatchObject({ kind: "published" });
    expect(node.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.1"]);
    expect(node.desk.audit(1, null)).toMatchObject([
      {
        event: "change-forced",
        author: "anna",
        reason: "maintenance",
        detail: expect.stringMatching(
          /^drain region eu-west, against invariant "two regions": www\.test\.example/,
        ),
      },
    ]);
    expect(node.logged.filter(({ msg }) => msg.includes("change-forced"))).toMatchObject([{ level: 40 }]);
  });

  test("is not refused for what is broken already", async () => {
    const node = await new Node(folderWith(TWO_REGIONS)).open();
    await set(node, drainEurope, true);
    // Nothing is left that could answer, which is worse, but it is no other invariant that is broken.
    expect(await set(node, downUs)).toMatchObject({ kind: "published" });
  });

  test("that was forced outlives a restart, and lets the same files be read again", async () => {
    const node = await new Node(folderWith(TWO_REGIONS)).open();
    await set(node, drainEurope, true);
    await node.close();
    const again = await new Node(node.folder, node.dns).open();
    expect(again.dns.addresses("www.test.example", GB)).toEqual(["10.0.0.1"]);
    again.folder.write("meridian.yaml", `${CONFIG}${TWO_REGIONS}# edited\n`);
    expect(await again.change({ kind: "reload" })).toMatchObject({ kind: "published" });
  });

  test("that keeps another from breaking an invariant is not ended without force", async () => {
    const node = await new Node(folderWith(HALF)).open();
    expect(await set(node, weight("new", 90))).toMatchObject({ kind: "published" });
    expect(await set(node, weight("old", 100))).toMatchObject({ kind: "published" });
    const end = { kind: "end-override", id: "weight:choice:mix/new" } as const;
    expect(await node.change(end)).toMatchObject({
      kind: "refused",
      problems: [
        {
          message: expect.stringMatching(
            /^invariant "half": mix\.test\.example: expected at most 60 % for eu-west/,
          ),
        },
      ],
    });
    const request = { author: "anna", reason: "all the same", edit: end, ifVersion: null, force: true };
    expect(await node.desk.change(request)).toMatchObject({ kind: "published" });
  });
});

describe("an override that ends by itself", () => {
  const broken = (once: string) => ({
    kind: "refused",
    problems: [
      {
        message: expect.stringMatching(
          new RegExp(
            `^invariant "half": mix\\.test\\.example: expected at most 60 % for eu-west, .*, once ${once}$`,
          ),
        ),
      },
    ],
  });

  test("may not leave another alone that breaks an invariant then, whichever of the two is made last", async () => {
    const last = await new Node(folderWith(HALF)).open();
    await set(last, weight("new", 90), false, 3_600_000);
    const refusal = broken('"weight of choice mix/new 90" has ended at 2026-01-01T01:00:00\\.000Z');
    expect(await set(last, weight("old", 100))).toMatchObject(refusal);
    expect(await set(last, weight("old", 100), false, 3_600_001)).toMatchObject(refusal);
    expect(await set(last, weight("old", 100), false, 3_600_000)).toMatchObject({ kind: "published" });

    const first = await new Node(folderWith(HALF)).open();
    await set(first, weight("old", 100), true);
    // What is broken without it is not broken by its end.
    expect(await set(first, weight("new", 90), false, 3_600_000)).toMatchObject({ kind: "published" });
  });

  test("may not take the place of one without an end that is needed after it", async () => {
    const node = await new Node(folderWith(HALF)).open();
    await set(node, weight("new", 90));
    await set(node, weight("old", 100));
    expect(await set(node, weight("new", 95), false, 60_000)).toMatchObject(
      broken('"weight of choice mix/new 95" has ended at 2026-01-01T00:01:00\\.000Z'),
    );
    expect(await set(node, weight("new", 95))).toMatchObject({ kind: "published" });
  });

  test("that drains little by little is held against what it will have done", async () => {
    const node = await new Node(folderWith(TWO_REGIONS)).open();
    const ramped: Action = { kind: "drain", target: { by: "region", id: "eu-west" }, rampMs: 60_000 };
    const refusal = await set(node, ramped);
    expect(JSON.stringify(refusal)).toContain(
      'once \\"drain region eu-west over 1m\\" has drained all at 2026-01-01T00:01:00.000Z',
    );
    expect(await set(node, ramped, false, 30_000)).toMatchObject({ kind: "published" });
  });

  test("may break what it will by force, and the audit says when", async () => {
    const node = await new Node(folderWith(HALF)).open();
    await set(node, weight("new", 90), false, 60_000);
    expect(await set(node, weight("old", 100), true)).toMatchObject({ kind: "published" });
    expect(node.desk.audit(1, null)).toMatchObject([
      { detail: expect.stringMatching(/, against invariant "half".* has ended at 2026-01-01T00:01/) },
    ]);
  });

  test("is nothing that new files may count on", async () => {
    const node = await new Node(
      new Folder({ "meridian.yaml": `${CONFIG}${HALF.replace("60%", "90%")}` }),
    ).open();
    await set(node, weight("new", 90), false, 60_000);
    await set(node, weight("old", 100));
    node.folder.write("meridian.yaml", `${CONFIG}${HALF}`);
    expect(await node.change({ kind: "reload" })).toMatchObject(
      broken('"weight of choice mix/new 90" has ended at 2026-01-01T00:01:00\\.000Z'),
    );
    node.pass(60_000);
    expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "refused" });
  });
});

describe("files", () => {
  test("are refused for what they break under the overrides in force, though not by themselves", async () => {
    const three = `${CONFIG.replace("regions:", "regions:\n  ap-south: { at: [19, 73] }")
      .replace(
        "probe: ipv4 }\npolicies",
        'probe: ipv4 }\n      ap-south: { ipv4: 10.0.0.3, ipv6: "2001:db8::3" }\npolicies',
      )
      .replaceAll("[web/us-east, web/eu-west]", "[web/us-east, web/eu-west, web/ap-south]")}
invariants: { two regions: { services: [www.*], clients: { countries: [US] }, answerable: 2 } }
`;
    const node = await new Node(new Folder({ "meridian.yaml": three })).open();
    expect(await set(node, drainEurope)).toMatchObject({ kind: "published" });
    const two = three.replaceAll(", web/ap-south]", "]");
    const folder = new Folder({ "meridian.yaml": two });
    expect(messages(folder)).toEqual([]);
    node.folder.write("meridian.yaml", two);
    expect(await node.change({ kind: "reload" })).toMatchObject({
      kind: "refused",
      problems: [
        { message: expect.stringContaining('"two regions": www.test.example: expected at least 2 regions') },
      ],
    });
  });
});

test("the example of docs/rules.md holds of services such as it speaks of", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/rules.md"), "utf8");
  const example = /^```yaml\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  const config = `
geo: { database: geo.mmdb, labels: [labels.csv] }
zones: [gslb.example.zone]
regions: { us-east: { at: [39, -77] }, eu-west: { at: [53, -6] }, eu-central: { at: [50, 9] } }
pools:
  web: { members: { us-east: { ipv4: 10.0.0.1 }, eu-west: { ipv4: 10.0.0.2 }, eu-central: { ipv4: 10.0.0.3 } } }
  app: { members: { new: { region: us-east, ipv4: 10.0.1.1 } } }
policies:
  in-europe: { failover: [web/eu-west, web/eu-central] }
  by-continent: { geo: { continents: { EU: { failover: [web/eu-west, web/us-east] } }, default: web } }
services:
  www.gslb.example: { policy: { geo: { fence: true, labels: { gdpr: in-europe }, default: by-continent } } }
  app.gslb.example: { policy: { geo: { fence: true, labels: { gdpr: in-europe }, default: {
    weighted: { stable: { weight: 80, use: by-continent }, app/new: 20 } } } } }
${example}`;
  const folder = new Folder({ "meridian.yaml": config, "gslb.example.zone": ZONE.replace(/^shop.*$/m, "") });
  folder.write("labels.csv", "192.0.2.0/25,gdpr");
  expect(messages(folder)).toEqual([]);
  // It would be seen if one of them were broken.
  folder.write("meridian.yaml", config.replaceAll("fence: true", "fence: false"));
  expect(messages(folder)).toEqual([
    expect.stringMatching(/^invariant "personal data stays in Europe": .*: expected only eu-\*, got A: /),
    expect.stringMatching(/^invariant "personal data stays in Europe": .*: expected only eu-\*, got A: /),
  ]);
});
