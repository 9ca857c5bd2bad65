import { describe, expect, test } from "vitest";
import { closedBecause } from "../../src/control/safety-windows.ts";
import { configOf, small } from "../config/fixture.ts";

function closedAt(windows: string, moment: string): string | null {
  const { safety } = configOf(`${small}safety: { windows: ${windows} }`);
  if (safety.windows === null) throw new Error("there are no windows");
  return closedBecause(safety.windows, Date.parse(moment));
}

const OFFICE = "{ open: [mon-fri 08:00-17:00], timeZone: Europe/Dublin, blocked: [2026-12-24..2026-12-26] }";

describe("a change", () => {
  test.each([
    ["the first minute of a window", OFFICE, "2026-01-05T08:00:00Z"],
    ["its last", OFFICE, "2026-01-05T16:59:59Z"],
    ["summer, an hour earlier by UTC", OFFICE, "2026-07-06T07:00:00Z"],
    ["the day after those that are blocked", OFFICE, "2026-12-28T12:00:00Z"],
    ["any hour where only days are blocked", '{ blocked: ["2026-12-24"] }', "2026-12-25T03:00:00Z"],
    ["the evening, where a day ends at 24:00", "{ open: ['sat,sun 00:00-24:00'] }", "2026-01-04T23:59:59Z"],
    ["a weekend over the end of the week", "{ open: [sat-mon 10:00-11:00] }", "2026-01-05T10:30:00Z"],
    ["any day, where no day is named", '{ open: ["10:00-11:00"] }', "2026-01-07T10:30:00Z"],
  ])("may be made in %s", (_, windows, moment) => {
    expect(closedAt(windows, moment)).toBeNull();
  });

  test.each([
    ["a minute too early", OFFICE, "2026-01-05T07:59:59Z", "mon 2026-01-05 07:59 Europe/Dublin"],
    ["when the window has closed", OFFICE, "2026-01-05T17:00:00Z", "mon 2026-01-05 17:00 Europe/Dublin"],
    ["on another day", OFFICE, "2026-01-04T12:00:00Z", "sun 2026-01-04 12:00 Europe/Dublin"],
    [
      "in summer by the hours of winter",
      OFFICE,
      "2026-07-06T16:30:00Z",
      "mon 2026-07-06 17:30 Europe/Dublin",
    ],
  ])("may not be made %s", (_, windows, moment, now) => {
    expect(closedAt(windows, moment)).toBe(`changes are made mon-fri 08:00-17:00, and it is ${now}`);
  });

  test("may not be made on a blocked day, by the calendar of the time zone", () => {
    expect(closedAt(OFFICE, "2026-12-24T12:00:00Z")).toBe(
      "2026-12-24 to 2026-12-26 is blocked, and it is thu 2026-12-24 12:00 Europe/Dublin",
    );
    expect(closedAt('{ blocked: ["2026-07-01"], timeZone: Asia/Tokyo }', "2026-06-30T15:00:00Z")).toBe(
      "2026-07-01 is blocked, and it is wed 2026-07-01 00:00 Asia/Tokyo",
    );
  });
});
