/**
 * Fifty bad changes to a fleet, as a transcript: `test/scenarios/bad-changes.txt`; `UPDATE=1` rewrites it, to be read in the
 * diff. Each is made as an operator would: the file is edited, `meridian check` is asked, and a node that runs reads it.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkFolder } from "../../src/control/check-folder.ts";
import { formatProblem, type Problem } from "../../src/problem.ts";
import { writeMmdb } from "../geo/mmdb-file.ts";
import { Folder, Node } from "./test-node.ts";

/** How many of them may be taken. */
const TAKEN_MAX = 2;

const scenario = join(import.meta.dirname, "../scenarios/bad-changes.txt");
const cli = join(import.meta.dirname, "../../src/cli.ts");

const FILES = ["meridian.yaml", "shop.example.zone", "labels.csv"] as const;
const FLEET = Object.fromEntries(
  FILES.map((name) => [name, readFileSync(join(import.meta.dirname, "fleet", name), "utf8")]),
);

/** A few networks in each country that the fleet's rules name, and in some others. */
const COUNTRIES = ["DE", "FR", "IE", "RU", "TR", "ZA", "JP", "AU", "US", "BR"];
const GEO = writeMmdb({
  recordSize: 24,
  ipVersion: 6,
  records: Object.fromEntries(
    COUNTRIES.map((country, i) => [`10.${i}.0.0/16`, { country: { iso_code: country } }]),
  ),
});
const GERMAN = "10.0.0.1";
const GERMAN_ANSWER = ["192.0.2.3"];

interface BadChange {
  /** All above the line. */
  readonly command: string;
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

function parseChange(command: string): BadChange {
  const [, file = "", ...lines] = command.split("\n");
  const marked = (mark: string): string =>
    lines.flatMap((line) => (line.startsWith(mark) ? [`${line.slice(2)}\n`] : [])).join("");
  return { command, file, before: marked("- "), after: marked("+ ") };
}

function fleet(): Folder {
  const folder = new Folder(FLEET);
  folder.write("geo.mmdb", GEO);
  return folder;
}

function textOf(problems: readonly Problem[], folder: Folder): string {
  return problems
    .map(({ details: _, ...problem }) => formatProblem(problem).replaceAll(`${folder.path}/`, ""))
    .join("\n");
}

test("the fleet itself is sound", () => {
  expect(textOf(checkFolder(fleet().path).problems, fleet())).toBe("");
});

test("of fifty bad changes at least 48 are refused before they are live, each with its place", async () => {
  const node = await new Node(fleet()).open();
  const { folder } = node;
  const text = readFileSync(scenario, "utf8");
  const [heading, ...blocks] = text.trimEnd().split(/\n\n/);
  const changes = blocks.map((block) => parseChange(block.split("\n----", 1)[0] ?? ""));
  expect(changes).toHaveLength(50);

  const taken: string[] = [];
  const replayed: string[] = [];
  for (const { command, file, before, after } of changes) {
    const sound = FLEET[file] ?? "";
    expect(sound.split(before), `${command}: stands in the file once`).toHaveLength(2);
    folder.write(
      file,
      sound.replace(before, () => after),
    );

    const checked = textOf(checkFolder(folder.path).problems, folder);
    const outcome = await node.change({ kind: "reload" });
    const said = outcome.kind === "refused" ? textOf(outcome.problems, folder) : "";
    expect(said, `${command}: a running node says the same`).toBe(checked);
    if (said === "") taken.push(command.split("\n", 1)[0] ?? "");
    // What was refused has changed nothing.
    else expect(node.dns.addresses("www.shop.example", GERMAN)).toEqual(GERMAN_ANSWER);
    replayed.push(`${command}\n----\n${said === "" ? "taken" : said}`);

    folder.write(file, sound);
    if (said === "") expect(await node.change({ kind: "reload" })).toMatchObject({ kind: "published" });
  }
  process.stdout.write(`${changes.length - taken.length} of ${changes.length} bad changes refused; taken:\n`);
  for (const name of taken) process.stdout.write(`  ${name}\n`);

  const transcript = `${[heading, ...replayed].join("\n\n")}\n`;
  if (process.env["UPDATE"] === "1") writeFileSync(scenario, transcript);
  else expect(transcript).toBe(text);
  expect(taken.length).toBeLessThanOrEqual(TAKEN_MAX);
});

test("`meridian check` shows the case that an invariant does not hold in", () => {
  const folder = fleet();
  folder.write("meridian.yaml", (FLEET["meridian.yaml"] ?? "").replace("      fence: true\n", ""));
  const { status, stderr } = spawnSync(process.execPath, [cli, "check", folder.path], { encoding: "utf8" });
  expect(status).toBe(1);
  expect(stderr.replaceAll(`${folder.path}/`, "")).toContain(
    [
      'meridian.yaml:86:3: invariant "personal data stays in Europe": www.shop.example: expected only eu-*, got A: web/us-east/ipv4 100 %',
      "    regions down: eu-west, eu-central",
    ].join("\n"),
  );
});
