/** The log: JSON lines, or readable ones on a terminal. */

import { type Logger, pino } from "pino";
import pretty from "pino-pretty";

/** A log of one process, which names itself in each line. The level is `MERIDIAN_LOG`, `info` by default. */
export function newLog(process_: string): Logger {
  const options = { level: process.env["MERIDIAN_LOG"] ?? "info", base: { process: process_ } };
  const isReadable = process.stdout.isTTY || process.env["MERIDIAN_LOG_FORMAT"] === "text";
  if (!isReadable) return pino(options);
  const stream = pretty({
    ignore: "pid,hostname,process",
    messageFormat: "{process}: {msg}",
    singleLine: true,
    translateTime: "SYS:HH:MM:ss.l",
    sync: true,
  });
  return pino(options, stream);
}
