/** The section `safety`: what changes may not do. */

import { keys } from "./keys.ts";
import { parseTimeZone, WEEKDAYS } from "./local-time.ts";
import { parseServicePatterns } from "./parse-invariant.ts";
import { placeOf, type RuleContext } from "./parse-test.ts";
import type { Reader } from "./read.ts";
import type { Dates, OpenHours, SafetyConfig, Windows } from "./safety.ts";

const regionsRange = { least: 1, most: 1000 };

const stageRange = { least: 1_000, most: 86_400_000 };
const defaultStageMs = 300_000;

const withinRange = { least: 60_000, most: 30 * 86_400_000 };
const defaultWithinMs = 86_400_000;

const MINUTES_OF_DAY = 24 * 60;

/** The section `safety`; null where it is not given. */
export function parseSafety(reader: Reader | null, context: RuleContext): SafetyConfig {
  const { file } = context;
  const safety = reader?.fields(keys.safety);
  const optional = (key: (typeof keys.safety)[number]): Reader | null => safety?.optional(key) ?? null;
  const regions = optional("minRegionsUp");
  const moved = optional("maxMoved");
  const stageEveryMs = optional("stageEvery")?.duration(stageRange) ?? defaultStageMs;
  const drills = optional("noDrillDuringIncident");
  const windows = optional("windows");
  const approval = optional("approval");
  return {
    minRegionsUp: regions && { place: placeOf(regions, file), regions: regions.wholeNumber(regionsRange) },
    maxMoved: moved && { place: placeOf(moved, file), share: moved.fraction(), stageEveryMs },
    noDrillDuringIncident: drills?.boolean() === true ? { place: placeOf(drills, file) } : null,
    windows: windows && { place: placeOf(windows, file), ...parseWindows(windows) },
    approval: approval && { place: placeOf(approval, file), ...parseApproval(approval, context) },
  };
}

function parseApproval(
  reader: Reader,
  context: RuleContext,
): Pick<NonNullable<SafetyConfig["approval"]>, "services" | "withinMs"> {
  const approval = reader.fields(keys["safety.approval"]);
  const services = parseServicePatterns(approval.optional("services"), context);
  return {
    services: new Set(services.map(({ label }) => label)),
    withinMs: approval.optional("within")?.duration(withinRange) ?? defaultWithinMs,
  };
}

function parseWindows(reader: Reader): Windows {
  const windows = reader.fields(keys["safety.windows"]);
  return {
    open: (windows.optional("open")?.items("a list", "of them") ?? []).flatMap(
      (item) => parseOpenHours(item) ?? [],
    ),
    blocked: (windows.optional("blocked")?.items() ?? []).flatMap((item) => parseDates(item) ?? []),
    timeZone:
      windows.optional("timeZone")?.parsed("an IANA time zone such as Europe/Dublin", parseTimeZone) ?? "UTC",
  };
}

/** `mon-fri 08:00-17:00`, `sat,sun 10:00-12:00`, or `08:00-17:00` for every day; up to 24:00. */
function parseOpenHours(reader: Reader): OpenHours | null {
  const what = "days with hours such as mon-fri 08:00-17:00, sat,sun 10:00-12:00 or 00:00-24:00";
  const text = reader.text(what);
  if (text === null) return null;
  const [, daysText, from = "", until = ""] =
    /^(?:([a-z,-]+) )?(\d\d:\d\d)-(\d\d:\d\d)$/.exec(text.toLowerCase()) ?? [];
  const [fromMinute, untilMinute] = [minuteOf(from), minuteOf(until)];
  const weekdays = daysText === undefined ? new Set(WEEKDAYS.keys()) : weekdaysOf(daysText);
  if (fromMinute === null || untilMinute === null || weekdays === null || fromMinute >= untilMinute) {
    reader.expected(what);
    return null;
  }
  return { text, weekdays, fromMinute, untilMinute };
}

function minuteOf(text: string): number | null {
  const [hours = Number.NaN, minutes = Number.NaN] = text.split(":").map(Number);
  const minute = hours * 60 + minutes;
  return minutes < 60 && minute <= MINUTES_OF_DAY ? minute : null;
}

/** `mon-fri`, `fri-mon`, `mon,wed`; null: it is none of these. */
function weekdaysOf(text: string): ReadonlySet<number> | null {
  const days = new Set<number>();
  for (const part of text.split(",")) {
    const [first = -1, last = first, ...rest] = part.split("-").map((day) => WEEKDAYS.indexOf(day));
    if (first < 0 || last < 0 || rest.length > 0) return null;
    for (let day = first; ; day = (day + 1) % WEEKDAYS.length) {
      days.add(day);
      if (day === last) break;
    }
  }
  return days;
}

/** `2026-12-24`, or `2026-12-24..2027-01-02` with both ends. */
function parseDates(reader: Reader): Dates | null {
  const what = "a date such as 2026-12-24, or 2026-12-24..2027-01-02";
  const text = reader.text(what);
  if (text === null) return null;
  const [first = "", last = first, ...rest] = text.split("..");
  if (isDate(first) && isDate(last) && first <= last && rest.length === 0) return { first, last };
  reader.expected(what);
  return null;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}
