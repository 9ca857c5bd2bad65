/** What `meridian import` makes of another server's configuration, beside that server. */

import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { writeDatabase } from "../../bench/database.ts";
import type { Answer } from "./dns.ts";
import { has, type Lab, report, until, useLab } from "./harness.ts";
import { MARK_RESOURCE, Pair } from "./pair.ts";
import { below, pick, randomFrom } from "./random.ts";
import { editFile, REPOSITORY } from "./site.ts";

/** How many clients; `docs/proofs.md` says what 10,000 came to. */
const CLIENTS = Number(process.env["MERIDIAN_IMPORTED"] ?? 1_000);
const SEED = 7;
const LONG = { timeout: 3_600_000 };
const AT_ONCE = 50;

/** What each client asks, and whether the answer is drawn among several by weight. */
const QUESTIONS = [
  { name: "www.example.com", isDrawn: true },
  { name: "next.example.com", isDrawn: false },
  { name: "intra.example.com", isDrawn: false },
  { name: "all.example.com", isDrawn: false },
  { name: "both.example.com", isDrawn: false },
  { name: "pair.example.com", isDrawn: false },
  { name: "one.example.com", isDrawn: false },
  { name: "eu.example.com", isDrawn: true },
  { name: "any.shop.apps.example.com", isDrawn: true },
] as const;
/** Addresses that are drawn by equal weight: where both are up, or both down, one stands for the other. */
const TWINS = ["198.51.100.21", "198.51.100.22"] as const;

const OUTAGES = [
  [],
  ["198.51.100.11", "198.51.100.21", "198.51.100.31"],
  ["198.51.100.11", "198.51.100.12", "198.51.100.51", "198.51.100.41", "2001:db8::42"],
  ["198.51.100.21", "198.51.100.22", "198.51.100.31", "198.51.100.32", "198.51.100.33"],
] as const;

describe.skipIf(!has("gdnsd"))("a configuration of gdnsd's (needs gdnsd)", () => {
  const lab = useLab();
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair(lab);
  });

  test(`answers ${CLIENTS} clients as gdnsd does`, LONG, async () => {
    const random = randomFrom(SEED);
    const faults: string[] = [];
    let compared = 0;
    for (const down of OUTAGES) {
      await pair.force(down);
      for (let i = 0; i < CLIENTS / OUTAGES.length; i += AT_ONCE) {
        const asked = Array.from({ length: AT_ONCE }, async () => {
          const { name, isDrawn } = pick(QUESTIONS, random);
          const type = random() < 0.2 ? "AAAA" : "A";
          const subnet = `${1 + below(223, random)}.${below(256, random)}.${below(256, random)}.0/24`;
          const [theirs, ours] = await pair.ask(name, type, random() < 0.02 ? "10.99.1.0/24" : subnet);
          compared += 1;
          if (sameAnswer(theirs, ours, isDrawn, down)) return;
          faults.push(`${name} ${type} for ${subnet}, down ${down}: ${JSON.stringify({ theirs, ours })}`);
        });
        await Promise.all(asked);
      }
    }
    report(`${compared} clients beside gdnsd, translated: ${faults.length} wrong`);
    expect(faults.slice(0, 5)).toEqual([]);
    expect(compared).toBeGreaterThanOrEqual(CLIENTS);
  });

  test("shares answers out as gdnsd does", LONG, async () => {
    const random = randomFrom(SEED);
    await pair.force(["198.51.100.21"]);
    const counts = [new Map<string, number>(), new Map<string, number>()];
    for (let i = 0; i < CLIENTS; i += AT_ONCE) {
      const asked = Array.from({ length: AT_ONCE }, () =>
        pair.ask("split.example.com", "A", `${1 + below(223, random)}.${below(256, random)}.1.0/24`),
      );
      for (const answers of await Promise.all(asked))
        for (const [i, { data }] of answers.entries())
          for (const address of data) counts[i]?.set(address, (counts[i]?.get(address) ?? 0) + 1);
    }
    const [theirs = new Map(), ours = new Map()] = counts;
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [address, count] of theirs) {
      const own = ours.get(address) ?? 0;
      // Both are drawn: five standard deviations of the difference.
      expect(Math.abs(own - count), address).toBeLessThan(5 * Math.sqrt(own + count));
    }
  });

  test("has the rest of the zone", async () => {
    for (const [name, type] of [
      ["mail.example.com", "A"],
      ["mail.example.com", "AAAA"],
      ["www.example.com", "MX"],
      ["alias.example.com", "CNAME"],
      ["notes.apps.example.com", "TXT"],
      ["nothing.example.com", "A"],
    ] as const) {
      const [theirs, ours] = await pair.ask(name, type, null);
      expect(ours, `${name} ${type}`).toEqual(theirs);
    }
  });
});

/** Whether two answers have the same addresses, and ours not for fewer clients: what `skip_first` makes alike gdnsd still tells apart. */
function sameAnswer(theirs: Answer, ours: Answer, isDrawn: boolean, down: readonly string[]): boolean {
  const [twin, other] = TWINS;
  const areAlike = isDrawn && down.includes(twin) === down.includes(other);
  const set = ({ data }: Answer): string =>
    data
      .map((address) => (areAlike && address === other ? twin : address))
      .toSorted()
      .join();
  return theirs.rcode === ours.rcode && (ours.scope ?? 0) <= (theirs.scope ?? 0) && set(theirs) === set(ours);
}

/** Starts gdnsd with the configuration in `test/import`, and a node with what is made of it. */
function startPair(lab: Lab): Promise<Pair> {
  return Pair.start(lab, async ({ folder, port, site }) => {
    cpSync(join(REPOSITORY, "test/import/gdnsd"), folder, { recursive: true });
    writeDatabase(join(folder, "geoip", "country.mmdb"));
    editFile(join(folder, "plugins.d/geoip"), [["country.mmdb", `${folder}/geoip/country.mmdb`]]);
    editFile(join(folder, "config"), [[":5399", `:${site.port}`]]);
    const importing = lab.meridian("import", ["import", "gdnsd", folder, "--out", site.folder]);
    await until("the import has ended", () => importing.hasEnded);
    report(importing.output.trim());
    const file = join(site.folder, "meridian.yaml");
    const listen = site.api.slice("http://".length);
    editFile(file, [["node: {", `node: { api: { listen: "${listen}" }, state: var,`]]);
    editFile(join(folder, "config"), [
      [`:${site.port}`, `:${port}`],
      ["run_dir => run", `run_dir => ${folder}/run`],
      ["state_dir => state", `state_dir => ${folder}/state`],
      ["file => told", `file => ${folder}/told`],
      ["simplefo => {", `simplefo => { ${MARK_RESOURCE},`],
    ]);
    return vipsIn(readFileSync(file, "utf8"));
  });
}

/** VIPs of a `meridian.yaml` by their addresses. */
function vipsIn(text: string): ReadonlyMap<string, readonly string[]> {
  const vips = new Map<string, string[]>();
  const { pools } = parse(text) as {
    pools: Record<string, { members: Record<string, Record<string, string>> }>;
  };
  for (const [pool, { members }] of Object.entries(pools)) {
    for (const [member, own] of Object.entries(members)) {
      for (const family of ["ipv4", "ipv6"]) {
        const address = own[family];
        if (address !== undefined)
          vips.set(address, [...(vips.get(address) ?? []), `${pool}/${member}/${family}`]);
      }
    }
  }
  return vips;
}
