/** Alarms: what operators are told of by itself, and how bad each is. */

import type { Severity } from "../config/alarms.ts";

/** What can be told. */
export type AlarmKind =
  /** A VIP is judged down. */
  | "vip-down"
  /** Some clients of a service get what its `whenDown` says. */
  | "service-down"
  /** Too few vantages are fresh to judge the VIPs of a pool. */
  | "verdicts-held"
  | "vantage-lost"
  /** A vantage alone sees most VIPs down, and has no vote. */
  | "vantage-isolated"
  /** The files cannot be used; those read before stay in force. */
  | "files-refused"
  /** Some file cannot be used, so that something older is. */
  | "files-degraded"
  | "override-ending"
  | "override-expired"
  /** Somebody made a change against rules. */
  | "change-forced"
  /** A change waits for a second person. */
  | "change-proposed"
  /** A change in steps was taken back, because those who got the clients failed. */
  | "stage-rolled-back"
  /** A change in steps does not go on by itself. */
  | "stage-paused"
  | "drill-begun"
  | "drill-ended"
  /** A drill ended before its time: by hand, or because a guard stopped it. */
  | "drill-aborted"
  /** A drill was to begin by itself, and did not. */
  | "drill-refused"
  | "certificate-ending"
  | "certificate-ended"
  /** Signatures have not been made anew in time. */
  | "signatures-late"
  /** After a restart of dns answers would be older than those of now. */
  | "book-behind"
  | "store-failing"
  /** The store was damaged or gone, and was made anew from what could be saved. */
  | "store-restored"
  /** Somebody tries a destination. */
  | "test";

const SEVERITY: Readonly<Record<AlarmKind, Severity>> = {
  "vip-down": "warning",
  "service-down": "critical",
  "verdicts-held": "warning",
  "vantage-lost": "warning",
  "vantage-isolated": "warning",
  "files-refused": "warning",
  "files-degraded": "warning",
  "override-ending": "info",
  "override-expired": "info",
  "change-forced": "warning",
  "change-proposed": "info",
  "stage-rolled-back": "warning",
  "stage-paused": "info",
  "drill-begun": "info",
  "drill-ended": "info",
  "drill-aborted": "warning",
  "drill-refused": "warning",
  "certificate-ending": "warning",
  "certificate-ended": "critical",
  "signatures-late": "critical",
  "book-behind": "warning",
  "store-failing": "critical",
  "store-restored": "warning",
  test: "info",
};

/** All kinds but the test, which operators make themselves. */
export const ALARM_KINDS: readonly AlarmKind[] = (Object.keys(SEVERITY) as AlarmKind[]).filter(
  (kind) => kind !== "test",
);

/** Something that is wrong, or a moment that somebody should know of. */
export interface Alarm {
  readonly kind: AlarmKind;
  /** What it is about: a VIP, a service, a file. One kind and subject is one alarm. */
  readonly subject: string;
  /** One line for people. */
  readonly summary: string;
  readonly beganMs: number;
  /** False: a moment, which does not end. */
  readonly lasts: boolean;
}

/** What tells alarms apart, on one node and over restarts. */
export function keyOf({ kind, subject }: Pick<Alarm, "kind" | "subject">): string {
  return `${kind}/${subject}`;
}

export function severityOf({ kind }: Pick<Alarm, "kind">): Severity {
  return SEVERITY[kind];
}

const SUMMARY_LENGTH_MAX = 1_000;

/** An alarm whose summary is one line of bounded length, whatever operators and probes wrote into it. */
export function alarm(
  kind: AlarmKind,
  subject: string,
  summary: string,
  beganMs: number,
  lasts = true,
): Alarm {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get into headers and lines
  const line = summary.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
  return { kind, subject, summary: line.slice(0, SUMMARY_LENGTH_MAX), beganMs, lasts };
}
