/** The table of who may import whom. Change it only in a commit of its own that says why. */

import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

/** Folder or file below src -> what it may import from src, besides itself, problem.ts, suggest.ts and steps.ts. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "problem.ts": [],
  "suggest.ts": [],
  "steps.ts": [],
  wire: [],
  zone: ["wire"],
  geo: ["wire"],
  config: ["wire"],
  health: ["config", "wire", "geo/distance.ts"],
  steering: ["config", "geo", "health", "wire"],
  dnssec: ["wire"],
  drill: ["config", "health", "wire"],
  // Translations quote strings as zones read them.
  import: ["config", "wire", "zone/text.ts"],
  book: ["wire", "zone", "geo", "config", "steering", "dnssec"],
  answer: [
    "wire",
    "geo/trie.ts",
    "book",
    "dnssec",
    "config/node.ts",
    "telemetry/counters.ts",
    "telemetry/samples.ts",
  ],
  serve: ["wire", "book", "answer", "dnssec", "config/cookie-secrets.ts", "config/node.ts", "telemetry"],
  // ICMP needs a socket that Node cannot open. Nodes and those who ask them know a key by the same pin.
  probe: [
    "wire",
    "config",
    "drill",
    "health",
    "serve/certificate.ts",
    "serve/endpoint.ts",
    "serve/system.ts",
  ],
  telemetry: [],
  alarm: ["config/alarms.ts"],
  control: [
    "alarm",
    "answer/replay.ts",
    "wire",
    "zone",
    "geo",
    "config",
    "health",
    "steering",
    "dnssec",
    "drill",
    "book",
    "telemetry",
    "probe/orders.ts",
    "probe/protocol.ts",
    "serve/certificate.ts",
    "serve/priority.ts",
    "serve/system.ts",
  ],
  command: [
    "agent.ts",
    "dns.ts",
    "config",
    "control",
    "demo",
    "dnssec",
    "health",
    "import",
    // Operators trust a node as agents do.
    "probe/trust.ts",
    "telemetry",
    "wire",
    "zone",
  ],
  demo: ["command/console.ts", "command/stop.ts", "config", "control", "telemetry"],
  "dns.ts": ["answer", "book", "config", "dnssec", "serve", "telemetry", "wire"],
  "control.ts": ["config", "control", "book", "telemetry"],
  "agent.ts": ["probe", "config", "telemetry", "version.ts"],
  "version.ts": [],
  "cli.ts": ["command", "demo", "version.ts"],
};

/** Folders that only compute: no socket, file, clock, thread or random source. */
const computing = [
  "wire",
  "zone",
  "geo",
  "config",
  "health",
  "steering",
  "dnssec",
  "drill",
  "import",
  "book",
  "answer",
];
const computingMayImport = new Set([
  "node:assert/strict",
  // Hashes and signatures compute; what makes keys of it is among the forbidden uses.
  "node:crypto",
  "node:path",
  "node:path/posix",
  // Where V8 keeps the switch of its engine for patterns.
  "node:v8",
  "node:zlib",
  "yaml",
]);
/** Signing is arithmetic with a key that is passed in. */
const dnssecMayImport = "node:crypto";

describe("imports", () => {
  const files = new Map(
    globSync("src/**/*.ts", { cwd: root }).map((file) => [file, readFileSync(join(root, file), "utf8")]),
  );

  test("point one way, as the table says", () => {
    expect(violations(files)).toEqual([]);
  });

  test("every folder is in the table", () => {
    const folders = new Set([...files.keys()].map(folderOf));
    expect([...folders].filter((folder) => mayImport[folder] === undefined)).toEqual([]);
  });

  test.each([
    ["src/wire/name.ts", 'import { Book } from "../book/book.ts";', "src/wire/name.ts imports book/book.ts"],
    [
      "src/answer/answer.ts",
      'import { readFileSync } from "node:fs";',
      "src/answer/answer.ts imports node:fs",
    ],
    ["src/steering/plan.ts", "const now = Date.now();", "src/steering/plan.ts uses Date.now"],
    ["src/health/ramp.ts", "const dice = Math.random();", "src/health/ramp.ts uses Math.random"],
    [
      "src/control/desk.ts",
      'import { probe } from "../probe/http.ts";',
      "src/control/desk.ts imports probe/http.ts",
    ],
  ])("a violation planted in %s is found", (file, text, violation) => {
    expect(violations(new Map([...files, [file, text]]))).toEqual([violation]);
  });
});

function violations(files: ReadonlyMap<string, string>): readonly string[] {
  return [...files].flatMap(([file, text]) => [...importsOf(file, text), ...usesOf(file, text)]);
}

function importsOf(file: string, text: string): readonly string[] {
  const folder = folderOf(file);
  const allowed = [folder, "problem.ts", "suggest.ts", "steps.ts", ...(mayImport[folder] ?? [])];
  return specifiers(text).flatMap((specifier) => {
    if (!specifier.startsWith(".")) {
      const computes = computing.includes(folder);
      const isCrypto = folder === "dnssec" && specifier === dnssecMayImport;
      return computes && !isCrypto && !computingMayImport.has(specifier)
        ? [`${file} imports ${specifier}`]
        : [];
    }
    const target = relative("src", normalize(join(dirname(file), specifier)));
    const isAllowed = allowed.some((entry) => target === entry || target.startsWith(`${entry}/`));
    return isAllowed ? [] : [`${file} imports ${target}`];
  });
}

/** Clocks and random sources in folders that only compute. */
function usesOf(file: string, text: string): readonly string[] {
  if (!computing.includes(folderOf(file))) return [];
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
  const forbidden = [
    "Date.now",
    "new Date()",
    "performance.now",
    "Math.random",
    "randomBytes",
    "generateKeyPair",
    "setTimeout",
    "setInterval",
    "process.",
  ];
  return forbidden.filter((use) => code.includes(use)).map((use) => `${file} uses ${use}`);
}

function specifiers(text: string): readonly string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|\bimport\("([^"]+)"\)|(?:^|\n)import\s+"([^"]+)"/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

/** `wire` for src/wire/name.ts, `cli.ts` for src/cli.ts. */
function folderOf(file: string): string {
  return file.split("/")[1] ?? "";
}
