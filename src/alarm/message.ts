/** What destinations of each kind are sent. */

import { createHash, createHmac } from "node:crypto";
import { type Alarm, keyOf, severityOf } from "./alarm.ts";
import type { Batch, Notice } from "./outbox.ts";

/** A batch with who sends it and when. */
export interface Message extends Batch {
  /** Unique. */
  readonly id: string;
  readonly node: string;
  readonly sentMs: number;
}

/** PagerDuty takes no longer ones. */
const PAGERDUTY_KEY_MAX = 255;
const PAGERDUTY_SUMMARY_MAX = 1_024;

/** `critical: www.example.com is answered as the last resort`, or what has ended. */
function formatNotice({ alarm, state, endedMs }: Notice): string {
  const began = formatTime(alarm.beganMs);
  if (state === "ended")
    return `over: ${alarm.summary} (${began} to ${formatTime(endedMs ?? alarm.beganMs)})`;
  return `${severityOf(alarm)}: ${alarm.summary} (${state === "begun" ? "since" : "at"} ${began})`;
}

/** The first line of a message. */
export function formatSubject({ node, notices, more }: Message): string {
  const [first] = notices;
  const others = notices.length - 1 + more;
  const text = first === undefined ? "" : formatNotice(first);
  return `[meridian ${node}] ${text}${others > 0 ? ` (+${others} more)` : ""}`;
}

/** The lines of a message. */
export function formatLines({ notices, more }: Message): readonly string[] {
  return [...notices.map(formatNotice), ...(more > 0 ? [`${more} more follow`] : [])];
}

/** The body of a webhook, as docs/operations.md describes it. */
export function webhookBody({ node, notices, more, sentMs }: Message): object {
  return {
    type: "alarms",
    timestamp: formatTime(sentMs),
    data: {
      node,
      more,
      alarms: notices.map(({ alarm, state, endedMs }) => ({
        key: keyOf(alarm),
        kind: alarm.kind,
        subject: alarm.subject,
        severity: severityOf(alarm),
        state,
        summary: alarm.summary,
        began: formatTime(alarm.beganMs),
        ended: endedMs === null ? null : formatTime(endedMs),
      })),
    },
  };
}

/** The headers that let a receiver check who sent a body and when (standardwebhooks.com, symmetric signatures). */
export function webhookHeaders(
  { id, sentMs }: Pick<Message, "id" | "sentMs">,
  body: string,
  secret: Uint8Array,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.trunc(sentMs / 1_000));
  const mac = createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${mac}` };
}

/** What Slack and those that are compatible with it take. */
export function slackBody(message: Message): object {
  const lines = formatLines(message).map((line) =>
    line.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"),
  );
  return { text: [`*meridian ${message.node}*`, ...lines].join("\n") };
}

/** One event of PagerDuty's Events API v2 for each line; sent twice, one is the same as before. */
export function pagerdutyBodies({ node, notices }: Message, routingKey: string): readonly object[] {
  return notices.map(({ alarm, state }) => {
    const event = { routing_key: routingKey, dedup_key: dedupKey(alarm, node) };
    if (state === "ended") return { ...event, event_action: "resolve" };
    return {
      ...event,
      event_action: "trigger",
      payload: {
        summary: alarm.summary.slice(0, PAGERDUTY_SUMMARY_MAX),
        source: node,
        severity: severityOf(alarm),
        timestamp: formatTime(alarm.beganMs),
        component: alarm.subject,
        class: alarm.kind,
      },
    };
  });
}

/** Verdicts are the same on every node, so what follows from them is one incident, whichever node tells of it. */
function dedupKey(alarm: Alarm, node: string): string {
  const isOfFleet = alarm.kind === "vip-down" || alarm.kind === "service-down";
  const moment = alarm.lasts ? "" : ` ${alarm.beganMs}`;
  const key = `meridian ${isOfFleet ? "" : `${node} `}${keyOf(alarm)}${moment}`;
  return key.length <= PAGERDUTY_KEY_MAX ? key : createHash("sha256").update(key).digest("hex");
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}
