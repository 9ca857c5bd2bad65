/** Whether changes may be made at a moment. */

import type { Windows } from "../config/safety.ts";

/** Why a change may not be made at this moment, in a clause; null: it may. */
export function closedBecause(windows: Windows, nowMs: number): string | null {
  const { date, day, minute, text } = wallClock(windows.timeZone, nowMs);
  const blocked = windows.blocked.find(({ first, last }) => first <= date && date <= last);
  if (blocked !== undefined) {
    const { first, last } = blocked;
    return `${first === last ? first : `${first} to ${last}`} is blocked, and it is ${text}`;
  }
  const isOpen = windows.open.some(
    ({ days, fromMinute, untilMinute }) => days.has(day) && fromMinute <= minute && minute < untilMinute,
  );
  if (isOpen || windows.open.length === 0) return null;
  const hours = windows.open.map((open) => open.text);
  return `changes are made ${hours.join(" and ")}, and it is ${text}`;
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** What clocks and calendars on the wall show. */
interface WallClock {
  readonly date: string;
  /** 0 is Monday. */
  readonly day: number;
  readonly minute: number;
  /** For people. */
  readonly text: string;
}

function wallClock(timeZone: string, nowMs: number): WallClock {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    weekday: "short",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? "";
  const date = `${part("year")}-${part("month")}-${part("day")}`;
  const time = `${part("hour")}:${part("minute")}`;
  return {
    date,
    day: DAYS.indexOf(part("weekday")),
    minute: 60 * Number(part("hour")) + Number(part("minute")),
    text: `${part("weekday").toLowerCase()} ${date} ${time} ${timeZone}`,
  };
}
