import { expect, test } from "vitest";
import { localTime, parseTimeZone } from "../../src/config/local-time.ts";

test("what clocks show is of their zone", () => {
  expect(localTime("Asia/Tokyo", Date.parse("2026-12-31T15:00:00Z"))).toEqual({
    date: "2027-01-01",
    month: 1,
    day: 1,
    weekday: 5,
    hour: 0,
    minute: 0,
  });
});

test("a time zone is known by its name, in whichever letters", () => {
  expect(parseTimeZone("europe/dublin")).toBe("Europe/Dublin");
  expect(parseTimeZone("Europe/Atlantis")).toBeNull();
});
