/** The walk in docs/operations.md: each resource of the API, by command and by curl, on the demo. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { RESOURCES } from "../../src/command/resources.ts";
import { has, type Lab, until, useLab } from "./harness.ts";
import { addToken, layOut, REPOSITORY, type Site, startNode } from "./site.ts";

const DOCUMENT = readFileSync(join(REPOSITORY, "docs/operations.md"), "utf8");
const WALK = [...DOCUMENT.matchAll(/^```sh walk\n([^`]*)^```$/gm)].map(([, lines = ""]) => lines).join("");
const NEEDED = ["curl", "jq"] as const;
/** Routes that nobody walks: agents open the one, the others follow what goes on for as long as somebody listens. */
const NOT_WALKED: ReadonlySet<string> = new Set(["get /v1/agents/stream", "get /v1/events"]);

/** What the walk needs beyond the demo: a pool that takes signals, somebody to tell, a service that two must agree on. */
const EDITS = (hook: number) =>
  [
    [
      "  web:\n    check: web\n",
      "  web:\n    check: web\n    signals: { every: 1s, errorsAbove: 5%, samples: 50 }\n",
    ],
    [
      "services:\n",
      `services:\n  second.gslb.example: { policy: { weighted: { one: { weight: 1, use: web/us-east }, two: { weight: 1, use: web/ap-northeast } } } }\n`,
    ],
    [
      "zones: [",
      `safety: { approval: { services: [second.gslb.example] } }
alarms: { destinations: { hook: { type: webhook, url: "http://127.0.0.1:${hook}", secret: hook.secret } }, routes: { all: { to: [hook] } } }
zones: [`,
    ],
  ] as const;

describe("the walk in docs/operations.md", () => {
  test("shows each resource by command, and each route by curl", async () => {
    const shown = new Set([...WALK.matchAll(/meridian get ([a-z]+)/g)].map(([, resource]) => resource));
    expect(Object.keys(RESOURCES).filter((resource) => !shown.has(resource))).toEqual([]);
  });

  describe.skipIf(!NEEDED.every(has))(`on the demo (needs ${NEEDED.join(" and ")})`, () => {
    const lab = useLab();

    test("works, line by line", { timeout: 300_000 }, async () => {
      const hook = createServer((_, response) => response.writeHead(200).end());
      hook.listen(0, "127.0.0.1");
      await once(hook, "listening");
      const site = await layOut(lab, EDITS((hook.address() as AddressInfo).port));
      writeFileSync(join(site.folder, "hook.secret"), `whsec_${Buffer.alloc(32, 7).toString("base64")}\n`, {
        mode: 0o600,
      });
      const said = await walk(lab, site);
      hook.close();
      expect(said.failed).toEqual([]);
      expect(said.routes.filter((route) => !said.asked.has(route) && !NOT_WALKED.has(route))).toEqual([]);
    });
  });
});

interface Walked {
  /** Lines that ended with an error, and what they said. */
  readonly failed: readonly string[];
  /** Routes of the API as `get /v1/regions/{id}`, and those that were asked for. */
  readonly routes: readonly string[];
  readonly asked: ReadonlySet<string>;
}

async function walk(lab: Lab, site: Site): Promise<Walked> {
  const token = async (name: string, role: "admin" | "signals" | "observer", ...rest: readonly string[]) =>
    addToken(lab, site, name, role, ...rest);
  const env = {
    MERIDIAN_API: site.api,
    CONFIG: site.folder,
    MERIDIAN_TOKEN: await token("first", "admin"),
    SECOND_TOKEN: await token("second", "admin"),
    SIGNALS_TOKEN: await token("balancer", "signals", "--pool", "web"),
    OBSERVER_TOKEN: await token("rum", "observer"),
  };
  const node = await startNode(lab, site);
  await until("the first book is on record", () => node.output.includes("is in force"));
  const folder = join(lab.folder, "walk");
  mkdirSync(folder);
  const cli = join(REPOSITORY, "src/cli.ts");
  // Each command that ends with an error says so behind what it said before.
  const script = `exec 2>&1
set -o pipefail
meridian() { '${process.execPath}' --no-warnings '${cli}' "$@"; }
trap 'echo "@@ $BASH_COMMAND"' ERR
${WALK}`;
  const shell = spawn("bash", ["-c", script], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = (await text(shell.stdout)).split("\n");
  const failed = lines.flatMap((line, i) =>
    line.startsWith("@@ ") ? [lines.slice(Math.max(0, i - 4), i + 1).join("\n")] : [],
  );
  const document = (await (await fetch(`${site.api}/docs/json`)).json()) as { paths: Record<string, object> };
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  return { failed, routes, asked: askedIn(WALK, routes) };
}

/** The routes that the lines with curl ask for. */
function askedIn(lines: string, routes: readonly string[]): ReadonlySet<string> {
  const asked = new Set<string>();
  for (const [, quoted = "", rest = ""] of lines.matchAll(
    /(?:ask|curl -fsS) +((?:"[^"]*"|'[^']*'|[^\s;])+)([^;\n]*)/g,
  )) {
    const path = quoted
      .replaceAll(/["']/g, "")
      .replace("$MERIDIAN_API", "")
      .replace(/\?.*$/, "")
      .replaceAll(/\$\(.*?\)|\$\w+/g, "x");
    const method = /-X ([A-Z]+)/.exec(rest)?.[1]?.toLowerCase() ?? (rest.includes("--json") ? "post" : "get");
    const found = routes.filter(
      (route) =>
        new RegExp(
          `^${method} ${route
            .split(" ")[1]
            ?.replaceAll(/\{[^}]+\}/g, "[^/]+")
            .replaceAll(".", "\\.")}$`,
        ).test(`${method} ${path}`) && route.startsWith(method),
    );
    // The one without parameters is meant where there is one.
    const [exact = found[0]] = found.filter((route) => !route.includes("{"));
    if (exact !== undefined) asked.add(exact);
  }
  return asked;
}
