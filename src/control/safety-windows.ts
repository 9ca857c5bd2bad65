/** Whether changes may be made at a moment. */

import { localTime, WEEKDAYS } from "../config/local-time.ts";
import type { Windows } from "../config/safety.ts";

/** Why a change may not be made at this moment, in a clause; null: it may. */
export function closedBecause({ timeZone, open, blocked }: Windows, nowMs: number): string | null {
  const { date, weekday, hour, minute } = localTime(timeZone, nowMs);
  const time = [hour, minute].map((number) => String(number).padStart(2, "0")).join(":");
  const now = `${WEEKDAYS[weekday]} ${date} ${time} ${timeZone}`;
  const dates = blocked.find(({ first, last }) => first <= date && date <= last);
  if (dates !== undefined) {
    const { first, last } = dates;
    return `${first === last ? first : `${first} to ${last}`} is blocked, and it is ${now}`;
  }
  const minuteOfDay = 60 * hour + minute;
  const isOpen = open.some(
    ({ weekdays, fromMinute, untilMinute }) =>
      weekdays.has(weekday) && fromMinute <= minuteOfDay && minuteOfDay < untilMinute,
  );
  if (isOpen || open.length === 0) return null;
  return `changes are made ${open.map(({ text }) => text).join(" and ")}, and it is ${now}`;
}
