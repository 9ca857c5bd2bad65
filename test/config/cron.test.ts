import { describe, expect, test } from "vitest";
import { isDue, parseCron } from "../../src/config/cron.ts";
import { localTime } from "../../src/config/local-time.ts";

/** The minutes from the first moment to the second at which clocks of the zone show what the schedule names. */
function dueBetween(text: string, zone: string, from: string, to: string): readonly string[] {
  const cron = parseCron(text);
  if (cron === null) throw new Error(`${text} is no schedule`);
  const due: string[] = [];
  for (let atMs = Date.parse(from); atMs < Date.parse(to); atMs += 60_000) {
    const local = localTime(zone, atMs);
    if (isDue(cron, local)) due.push(new Date(atMs).toISOString().slice(0, 16));
  }
  return due;
}

describe("a schedule", () => {
  test.each([
    ["30 4 * * *", ["2026-06-01T04:30", "2026-06-02T04:30"]],
    ["0 */12 * * *", ["2026-06-01T00:00", "2026-06-01T12:00", "2026-06-02T00:00", "2026-06-02T12:00"]],
    ["0,59 23 1-2 jun *", ["2026-06-01T23:00", "2026-06-01T23:59", "2026-06-02T23:00", "2026-06-02T23:59"]],
    ["50-59/5 0 * * Tue", ["2026-06-02T00:50", "2026-06-02T00:55"]],
    ["0 0 * * 0", []],
    // 1 June 2026 is a Monday.
    ["0 0 2 * MON", ["2026-06-01T00:00", "2026-06-02T00:00"]],
    ["0 0 2 * *", ["2026-06-02T00:00"]],
  ])("%s comes when crontab(5) says", (text, due) => {
    expect(dueBetween(text, "UTC", "2026-06-01T00:00:00Z", "2026-06-03T00:00:00Z")).toEqual(due);
  });

  test.each([
    "",
    "* * * *",
    "* * * * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 31 2 *",
    "* * 31 4,6 *",
    "* * * 13 *",
    "* * * * 8",
    "5-1 * * * *",
    "*/0 * * * *",
    "*-5 * * * *",
    "x * * * *",
    "@daily",
  ])('"%s" is none', (text) => {
    expect(parseCron(text)).toBeNull();
  });

  test("names Sunday by 0 and by 7", () => {
    expect([...(parseCron("0 0 * * 7")?.weekdays ?? [])]).toEqual([0]);
  });

  test("follows the clocks of its zone: 02:30 is skipped in spring, and comes twice in autumn", () => {
    const spring = dueBetween("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z");
    expect(spring).toEqual(["2026-03-28T01:30", "2026-03-30T00:30"]);
    const autumn = dueBetween("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z");
    expect(autumn).toEqual(["2026-10-25T00:30", "2026-10-25T01:30"]);
  });
});
