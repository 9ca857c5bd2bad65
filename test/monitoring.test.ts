/** The alert rules and the dashboard: every metric, label and link in them is there. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { ALARM_KINDS } from "../src/alarm/alarm.ts";
import { TestApi } from "./control/api/test-api.ts";

const root = join(import.meta.dirname, "..");
const monitoring = join(root, "monitoring");
const HAS_PROMTOOL = spawnSync("promtool", ["--version"]).status === 0;

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const rules: readonly Rule[] = parse(readFileSync(join(monitoring, "rules.yml"), "utf8")).groups.flatMap(
  (group: { readonly rules: readonly Rule[] }) => group.rules,
);
const dashboard: Dashboard = JSON.parse(readFileSync(join(monitoring, "dashboard.json"), "utf8"));

const queries = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];
const expressions = [
  ...rules.map(({ expr }) => expr),
  ...queries,
  ...dashboard.templating.list.flatMap(({ definition = "" }) => definition),
];

/** The labels that Prometheus gives to what it scrapes. */
const SCRAPED = ["instance", "job"];

/** The labels of each metric in docs/metrics.md, which a test holds against the real ones. */
const labelsOf = new Map(
  Array.from(
    readFileSync(join(root, "docs/metrics.md"), "utf8").matchAll(/^\| `(meridian_\w+)` \|([^|]*)\|/gm),
    ([, name = "", labels = ""]) => [
      name,
      Array.from(labels.matchAll(/`(\w+)`/g), ([, label = ""]) => label),
    ],
  ),
);

function metricsIn(expression: string): readonly string[] {
  return Array.from(expression.matchAll(/\b(?:meridian|nodejs|process)_\w+/g), ([name]) => name);
}

describe("rules and dashboard", () => {
  test("name metrics that a real scrape has", async () => {
    const api = await TestApi.open();
    const { body } = await api.get("/metrics", null);
    const real = new Set(Array.from(String(body).matchAll(/^# HELP (\S+)/gm), ([, name]) => name));
    const named = new Set(expressions.flatMap(metricsIn));
    expect(named.size).toBeGreaterThan(30);
    expect([...named].filter((name) => !real.has(name))).toEqual([]);
  });

  test("select by labels that these metrics have, and by kinds of alarms that there are", () => {
    const wrong = expressions.flatMap((expression) =>
      Array.from(expression.matchAll(/(meridian_\w+)\{([^}]*)\}/g)).flatMap(
        ([, name = "", selectors = ""]) => {
          const labels = Array.from(selectors.matchAll(/(\w+)=~?"([^"]*)"/g), ([, label = "", value]) => [
            label,
            value,
          ]);
          const known = [...SCRAPED, ...(labelsOf.get(name) ?? [])];
          const kinds: readonly (string | undefined)[] = ALARM_KINDS;
          return labels
            .filter(
              ([label = "", value]) => !known.includes(label) || (label === "kind" && !kinds.includes(value)),
            )
            .map(([label, value]) => `${name}{${label}="${value}"}`);
        },
      ),
    );
    expect(wrong).toEqual([]);
  });
});

describe("each alert", () => {
  const page = readFileSync(join(root, "docs/operations.md"), "utf8");
  const anchors = Array.from(page.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

  test.each(rules)(
    "$alert says what is wrong, how bad that is, and where to read on",
    ({ labels, annotations }) => {
      expect(["info", "warning", "critical"]).toContain(labels.severity);
      expect(Object.keys(annotations).toSorted()).toEqual(["description", "runbook_url", "summary"]);
      const [file, anchor] = annotations["runbook_url"]?.split("#") ?? [];
      expect(file).toBe("docs/operations.md");
      expect(anchors).toContain(anchor);
    },
  );

  test("has a name of its own", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });
});

test("panels of the dashboard have ids of their own, do not overlap, and show something", () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
    Array.from({ length: h * w }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  const empty = panels.filter(({ type, targets = [] }) => type !== "row" && targets.length === 0);
  expect(empty).toEqual([]);
});

describe.runIf(HAS_PROMTOOL)("promtool", () => {
  test("takes the rules, and finds that they tell what they should", () => {
    expect(promtool("check", "rules", join(monitoring, "rules.yml"))).toContain(
      `${rules.length} rules found`,
    );
    expect(promtool("test", "rules", join(monitoring, "rules.test.yml"))).toContain("SUCCESS");
  });

  test("takes every query of the dashboard", () => {
    const folder = mkdtempSync(join(tmpdir(), "meridian-monitoring-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const recorded = queries.map((expr, i) => ({
      record: `query:${i}`,
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$(instance|service)/g, ".*"),
    }));
    const file = join(folder, "queries.yml");
    writeFileSync(file, JSON.stringify({ groups: [{ name: "dashboard", rules: recorded }] }));
    expect(promtool("check", "rules", file)).toContain(`${queries.length} rules found`);
  });

  test("takes a real scrape", async () => {
    const api = await TestApi.open();
    const { body } = await api.get("/metrics", null);
    const { status, stderr } = spawnSync("promtool", ["check", "metrics"], {
      input: String(body),
      encoding: "utf8",
    });
    // Names of Node's own metrics are not ours to choose.
    const ours = stderr.split("\n").filter((line) => line.startsWith("meridian_"));
    expect(ours).toEqual([]);
    expect([0, 3]).toContain(status);
  });
});

/** What it says; fails when it finds something. */
function promtool(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("promtool", words, { encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}
