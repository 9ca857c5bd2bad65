/** The forms of a report: read by programs and people, and safe whatever operators have written. */

import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import type { VipId } from "../../src/config/config.ts";
import type { DrillRecord } from "../../src/drill/drill.ts";
import { type DrillReport, drillReport } from "../../src/drill/report.ts";
import { htmlReport } from "../../src/drill/report-html.ts";
import { junitReport } from "../../src/drill/report-junit.ts";
import { markdownReport } from "../../src/drill/report-markdown.ts";
import { drill, stretching, watcher, wellBehaved } from "./drills.ts";

const hasPython = spawnSync("python3", ["--version"]).status === 0;

function reportOf(changes: Partial<DrillRecord> = {}): DrillReport {
  return drillReport(drill(changes), [watcher(wellBehaved), watcher(stretching)]);
}

/** What nobody should write, but may. */
const HOSTILE = `"><script>alert(1)</script> | a \\ b\n\u0007 & '`;
const hostile = reportOf({ reason: HOSTILE, ending: { kind: "by-hand", author: HOSTILE, reason: HOSTILE } });

/** What Python's parsers make of a text: XML as a line for each element, HTML as a list of what is not closed. */
function python(program: string, text: string): string {
  const { stdout, stderr } = spawnSync("python3", ["-c", program], { input: text, encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.trim();
}

const ELEMENTS = `
import sys, xml.etree.ElementTree as tree
for e in tree.fromstring(sys.stdin.buffer.read()).iter():
    print(e.tag.split('}')[-1], e.attrib.get('name', ''), e.attrib.get('message', ''), sep='|')
`;

const UNCLOSED = `
import sys, html.parser
class Parser(html.parser.HTMLParser):
    open = []
    def handle_starttag(self, tag, attrs):
        if tag == 'script': print('script')
        if tag not in ('meta',): self.open.append(tag)
    def handle_startendtag(self, tag, attrs): pass
    def handle_endtag(self, tag):
        if self.open.pop() != tag: print('unexpected end of', tag)
parser = Parser()
parser.feed(sys.stdin.read())
print(*parser.open)
`;

/** The timeline of a page. */
function figureOf(page: string): string {
  return /<figure>.*<\/figure>/s.exec(page)?.[0] ?? "";
}

describe("as Markdown", () => {
  test("a report says what came of it, why, and where the time went", () => {
    const text = markdownReport(reportOf());
    expect(text.split("\n").slice(0, 7)).toEqual([
      "# Drill eu-west-dies: passed",
      "",
      "## Verdict",
      "",
      "* Dead region eu-west, on 1970-01-01 00:00:10 UTC, for 30.000 s; ordered by anna: the monthly one.",
      "* It ended: its time was over.",
      "* All was as before 5.000 s after its end.",
    ]);
    expect(text).toContain(
      "| www.test.example | 11.200 s | 15.000 s | 5.800 s | 6.015 s | 6.015 s | 6.015 s |",
    );
    expect(text).toContain(
      "| dublin | 192.0.2.53:53 | www.test.example (IPv4) | 3.900 s | 0.100 s | 0.210 s | 1.800 s | 0.005 s | 6.015 s |",
    );
    expect(text).toContain(
      "| tokyo | 192.0.2.99:53 (stretches TTLs) | www.test.example (IPv4) |  |  |  |  |  | over 29.998 s |",
    );
    expect(text).toContain(
      "* The resolver 192.0.2.99:53 of tokyo answered www.test.example with a TTL of 300 s where it may have 5 s, and went on with an old answer for 26.000 s after the nodes had none: at least 60.0 times as long as it may.",
    );
  });

  test("what operators write stays within its line", () => {
    const lines = markdownReport(hostile).split("\n");
    const own = lines.filter((line) => line.includes("alert"));
    for (const line of own) expect(line).toContain("\\<script\\>alert(1)\\</script\\> \\| a \\\\ b");
    expect(own.length).toBeGreaterThan(1);
    expect(lines.some((line) => line.startsWith("\u0007"))).toBe(false);
  });
});

describe("as HTML", () => {
  test("a report needs nothing from elsewhere", () => {
    for (const page of [htmlReport(reportOf()), htmlReport(hostile)]) {
      expect(page).not.toMatch(/<(script|link|img|iframe|object|embed|base)\b/);
      expect(page.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(
        /\b(https?:|url\(|@import|src=|href=)/,
      );
    }
  });

  test("its timeline can be read without seeing it", () => {
    const page = htmlReport(reportOf());
    expect(page).toContain(
      "1 of 2 clients moved. The slowest that keeps to TTLs took 6.015 s. The tables below have the same in figures.",
    );
    expect(page).toContain("<title>as before, from -5.000 s to 5.800 s</title>");
    expect(page).toContain("<title>something else, from 6.000 s to 37.800 s</title>");
    expect(page).toContain("<li>0.000 s: the failure begins</li>");
    expect(page).toContain("<li>35.000 s: all is as before</li>");
    expect(page).toContain("prefers-color-scheme: dark");
  });

  test("its timeline leaves single VIPs out where there are many", () => {
    const moments = Array.from(
      { length: 100 },
      (_, i) => ({ kind: "flipped", atMs: 14_000, vip: `web/m${i}/ipv4` as VipId, up: false }) as const,
    );
    const figure = figureOf(htmlReport(reportOf({ moments: [...drill().moments, ...moments] })));
    expect(Array.from(figure.matchAll(/<li>(.*)<\/li>/g), ([, text]) => text)).toEqual([
      "0.000 s: the failure begins",
      "30.000 s: the failure ends: its time was over",
      "35.000 s: all is as before",
    ]);
  });

  test.skipIf(!hasPython)("it is well formed, and so is its SVG, whatever operators write (python3)", () => {
    for (const report of [reportOf(), hostile, drillReport(drill({ moments: [] }), [])]) {
      const page = htmlReport(report);
      expect(python(UNCLOSED, page)).toBe("");
      expect(python(ELEMENTS, figureOf(page))).toMatch(/^figure\|/);
    }
  });
});

describe("as JUnit XML", () => {
  test.skipIf(!hasPython)(
    "a drill that passed has no failure, and what a stretcher does is skipped (python3)",
    () => {
      expect(python(ELEMENTS, junitReport(reportOf())).split("\n")).toEqual([
        "testsuites||",
        "testsuite|drill eu-west-dies|",
        "testcase|verdict|",
        "testcase|www.test.example keeps its failover bound of 11.200 s|",
        "testcase|www.test.example keeps its objective of 15.000 s|",
        "testcase|www.test.example (IPv4) from dublin through 192.0.2.53:53 moves|",
        "testcase|www.test.example (IPv4) from dublin through 192.0.2.53:53 comes back|",
        "testcase|www.test.example (IPv4) from tokyo through 192.0.2.99:53 moves|",
        "skipped||not within 29.998 s",
        "testcase|www.test.example (IPv4) from tokyo through 192.0.2.99:53 comes back|",
        "skipped||not concerned",
      ]);
    },
  );

  test.skipIf(!hasPython)("failed, aborted and inconclusive drills are no success (python3)", () => {
    const tight = [{ label: "www.test.example", boundMs: 3_000, objectiveMs: null, ttlSeconds: 5 }];
    const failed = python(ELEMENTS, junitReport(reportOf({ services: tight })));
    expect(failed).toContain("failure||the last old answer came after 5.800 s");
    expect(failed).toContain("skipped||it has no objective");
    expect(junitReport(reportOf({ services: tight }))).toContain('failures="2" errors="0"');
    expect(python(ELEMENTS, junitReport(hostile))).toContain("error||Drill eu-west-dies: aborted: ended by");
    const unseen = junitReport(drillReport(drill(), []));
    expect(python(ELEMENTS, unseen)).toContain("error||Drill eu-west-dies: inconclusive: no agent watched");
  });
});
