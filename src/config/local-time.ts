/** What clocks and calendars in a time zone show. */

export const WEEKDAYS: readonly string[] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/** `2026-12-24` and the rest of a moment. */
export interface LocalTime {
  readonly date: string;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  /** Its place in `WEEKDAYS`. */
  readonly weekday: number;
  readonly hour: number;
  readonly minute: number;
}

/** What they show in a zone that `parseTimeZone` knows. */
export function localTime(timeZone: string, atMs: number): LocalTime {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  return {
    date: `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`,
    month: number("month"),
    day: number("day"),
    weekday: WEEKDAYS.indexOf((parts.get("weekday") ?? "").toLowerCase()),
    hour: number("hour"),
    minute: number("minute"),
  };
}

/** The name of a zone, as the IANA database writes it; null where it has none of that name. */
export function parseTimeZone(text: string): string | null {
  try {
    return new Intl.DateTimeFormat("en-US", { timeZone: text }).resolvedOptions().timeZone;
  } catch {
    return null;
  }
}
