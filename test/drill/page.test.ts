/** The HTML report as a browser lays it out: on a desk and on a telephone, whatever names and reasons there are. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { DrillRecord } from "../../src/drill/drill.ts";
import { escapeMarkup } from "../../src/drill/markup.ts";
import { drillReport } from "../../src/drill/report.ts";
import { htmlReport } from "../../src/drill/report-html.ts";
import { drill, type Sight, stretching, watcher, wellBehaved } from "./drills.ts";

const hasChromium = spawnSync("chromium", ["--version"]).status === 0;

/** The widths of telephones, tablets and desks, in CSS pixels. */
const WIDTHS = [320, 360, 768, 1280] as const;

/** A name as long as a name may be, and a reason as long as somebody may write it. */
const LONG_NAME = `${"checkout-of-the-shop.".repeat(11)}gslb.example`;
const LONG_REASON = `${"the team asked for it, ".repeat(20)}${"x".repeat(200)}`;

const sights: readonly Sight[] = [
  wellBehaved,
  { ...wellBehaved, vantage: "frankfurt", resolver: "[2001:db8:1234:5678:9abc:def0:1234:5678]:5353" },
  stretching,
];

function pageOf(changes: Partial<DrillRecord> = {}, label = "www.test.example"): string {
  const watchers = sights.map(watcher).map((each) => ({
    ...each,
    courses: each.courses.map((course) => ({ ...course, route: { ...course.route, label } })),
  }));
  const services = [{ label, boundMs: 11_200, objectiveMs: 15_000, ttlSeconds: 5 }];
  return htmlReport(drillReport(drill({ services, ...changes }), watchers));
}

const byHand = { kind: "by-hand", author: "anna", reason: LONG_REASON } as const;
const pages: Readonly<Record<string, string>> = {
  passed: pageOf(),
  long: pageOf(
    { reason: LONG_REASON, ending: byHand, moments: [{ kind: "ended", atMs: 40_000, ending: byHand }] },
    LONG_NAME,
  ),
  unwatched: htmlReport(drillReport(drill({ moments: [] }), [])),
};

/** What is wrong in a document that is so wide. It runs in the browser, so it is text here. */
const FAULTS = `(document, width) => {
  const faults = [];
  if (document.documentElement.scrollWidth > width) faults.push("wider than the page: " + document.documentElement.scrollWidth);
  const loaded = document.defaultView.performance.getEntriesByType("resource");
  for (const { name } of loaded) faults.push("loads " + name);
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { parentElement, data } = walker.currentNode;
    if (data.trim() === "" || parentElement.closest("title")) continue;
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const around = parentElement.closest("td, th, svg, span, p, li, h1, h2").getBoundingClientRect();
    for (const box of range.getClientRects()) {
      const isWithin = box.left >= around.left - 1 && box.right <= around.right + 1 && box.top >= around.top - 4 && box.bottom <= around.bottom + 4;
      if (!isWithin) faults.push("out of its box: " + data);
      if (!parentElement.closest(".scroll") && (box.left < 0 || box.right > width)) faults.push("out of the page: " + data);
      if (!parentElement.closest(".scroll")) boxes.push({ box, data });
    }
  }
  for (const bar of document.querySelectorAll("rect")) boxes.push({ box: bar.getBoundingClientRect(), data: "a bar" });
  const cross = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
    if (a.data !== "a bar" && cross(a.box, b.box)) faults.push(a.data + " and " + b.data + " overlap");
  }));
  return faults;
}`;

/** Each page at each width in a frame of its own, and a script that writes down what is wrong in each. */
function bench(): string {
  const frames = Object.entries(pages).flatMap(([name, page]) =>
    WIDTHS.map(
      (width) =>
        `<iframe name="${name}" width="${width}" height="900" style="border: 0" srcdoc="${escapeMarkup(page)}"></iframe>`,
    ),
  );
  return `<!doctype html><meta charset="utf-8">${frames.join("")}<pre></pre><script>
const faultsOf = ${FAULTS};
addEventListener("load", () => {
  const found = [...document.querySelectorAll("iframe")].map((frame) => [frame.name, +frame.width, faultsOf(frame.contentDocument, +frame.width)]);
  document.querySelector("pre").textContent = encodeURIComponent(JSON.stringify(found));
});
</script>`;
}

test.skipIf(!hasChromium)(
  "nothing in a report overlaps, leaves its box or is wider than the page, and nothing is loaded (chromium)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "page-"));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const file = join(folder, "bench.html");
    writeFileSync(file, bench());
    const { stdout } = spawnSync(
      "chromium",
      [
        ..."--headless --no-sandbox --disable-gpu --disable-quic --no-first-run".split(" "),
        ..."--disable-background-networking --disable-component-update --disable-sync".split(" "),
        `--user-data-dir=${join(folder, "profile")}`,
        "--dump-dom",
        `file://${file}`,
      ],
      { encoding: "utf8", timeout: 60_000 },
    );
    const [, found = ""] = /<pre>(.*?)<\/pre>/.exec(stdout) ?? [];
    const expected = Object.keys(pages).flatMap((name) => WIDTHS.map((width) => [name, width, []]));
    expect(JSON.parse(decodeURIComponent(found))).toEqual(expected);
  },
  60_000,
);
