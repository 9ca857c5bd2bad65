/**
 * Times that come again, in the five fields of crontab(5). Our own and not node-cron: the clock is passed in, problems are told with
 * their place, and a next time can be shown.
 */

import { type LocalTime, WEEKDAYS } from "./local-time.ts";

/** A schedule as sets of numbers. */
export interface Cron {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  /** From 1. */
  readonly months: ReadonlySet<number>;
  /** Their places in `WEEKDAYS`. */
  readonly weekdays: ReadonlySet<number>;
  /** Both days and weekdays are given: one of them is enough, as in every cron since Vixie's. */
  readonly eitherDay: boolean;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** Null where the text is no schedule, or one that never comes, such as the 31st of February. */
export function parseCron(text: string): Cron | null {
  const [minute, hour, day, month, weekday, ...rest] = text.trim().split(/\s+/);
  if (minute === undefined || hour === undefined || day === undefined) return null;
  if (month === undefined || weekday === undefined || rest.length > 0) return null;
  const minutes = parseField(minute, 0, 59);
  const hours = parseField(hour, 0, 23);
  const days = parseField(day, 1, 31);
  const months = parseField(month, 1, 12, MONTHS);
  const sevens = parseField(weekday, 0, 7, WEEKDAYS);
  if (minutes === null || hours === null || days === null || months === null || sevens === null) return null;
  const weekdays = new Set([...sevens].map((number) => number % 7));
  const eitherDay = !day.startsWith("*") && !weekday.startsWith("*");
  const longest = Math.max(...[...months].map(lengthOf));
  if (!eitherDay && Math.min(...days) > longest) return null;
  return { minutes, hours, days, months, weekdays, eitherDay };
}

/** Whether the schedule names this minute. */
export function isDue(cron: Cron, local: LocalTime): boolean {
  return isDueHour(cron, local) && cron.minutes.has(local.minute);
}

/** Whether it names some minute of this hour. */
export function isDueHour(cron: Cron, { month, day, weekday, hour }: LocalTime): boolean {
  const [byDay, byWeekday] = [cron.days.has(day), cron.weekdays.has(weekday)];
  const today = cron.eitherDay ? byDay || byWeekday : byDay && byWeekday;
  return today && cron.months.has(month) && cron.hours.has(hour);
}

/** A list of numbers, ranges and steps, as in `1-5,30`, `*` or `*` + `/15`; null where it is none. */
function parseField(
  text: string,
  least: number,
  most: number,
  names: readonly string[] = [],
): ReadonlySet<number> | null {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const [, from, to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\d{1,2}))?$/.exec(part) ?? [];
    if (from === undefined || (from === "*" && to !== undefined)) return null;
    const first = from === "*" ? least : parseNumber(from, names, least);
    const last =
      from === "*"
        ? most
        : to === undefined
          ? step === undefined
            ? first
            : most
          : parseNumber(to, names, least);
    const by = step === undefined ? 1 : Number(step);
    if (!(first >= least && last >= first && last <= most && by > 0)) return null;
    for (let number = first; number <= last; number += by) numbers.add(number);
  }
  return numbers;
}

/** NaN where it is neither a number nor a name; the first name is `least`. */
function parseNumber(text: string, names: readonly string[], least: number): number {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + least;
  return /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN;
}

/** Days of a month at the most. */
function lengthOf(month: number): number {
  return month === 2 ? 29 : [4, 6, 9, 11].includes(month) ? 30 : 31;
}
