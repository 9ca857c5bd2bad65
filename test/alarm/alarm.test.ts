import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ALARM_KINDS, alarm, severityOf } from "../../src/alarm/alarm.ts";

test("docs/operations.md has each kind with its severity, and no other", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const [section = ""] = page.split("## Alarms")[1]?.split("\n## ") ?? [];
  const rows = [...section.matchAll(/^\| (`[^|]+`) \| ([^|]+) \|/gm)].flatMap(
    ([, kinds = "", severities = ""]) => {
      const all = severities.trim().split(", ");
      return kinds.split(", ").map((kind, i) => `${kind.replaceAll("`", "")}: ${all[i]}`);
    },
  );
  expect(rows.toSorted()).toEqual(ALARM_KINDS.map((kind) => `${kind}: ${severityOf({ kind })}`).toSorted());
});

test("a summary is one line of bounded length, whatever is in it", () => {
  const { summary } = alarm("files-refused", "files", `a\r\nBcc: b\u0000\u2028c${"d".repeat(2_000)}`, 0);
  expect(summary).toMatch(/^a Bcc: b cd+$/u);
  expect(summary).toHaveLength(1_000);
});
