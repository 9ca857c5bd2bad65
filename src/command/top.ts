/** `meridian top`: a node as it is now, on a terminal, until q or Ctrl-C. */

import { stripVTControlCharacters, styleText } from "node:util";
import { type ApiOptions, getFromApi, getListFromApi } from "./api-call.ts";
import { complain, percent, print, printable, seconds } from "./console.ts";

/** What the screen shows; parts are null where they could not be had. */
export interface Scene {
  readonly api: string;
  readonly at: Date;
  readonly status: Readonly<{ version: number; adoptedVersion: number; reportsTaken: number }>;
  readonly services: readonly Readonly<{
    name: string;
    boundMs: number | null;
    failoverWithinMs: number | null;
  }>[];
  readonly verdicts: readonly Readonly<{
    vip: string;
    up: boolean;
    basis: string;
    reason: string;
    since: string;
  }>[];
  readonly vantages: readonly Readonly<{
    vantage: string;
    streams: number;
    fresh: boolean;
    isolated: boolean;
  }>[];
  readonly overrides: readonly Readonly<{
    id: string;
    author: string;
    until: string | null;
    active: boolean;
  }>[];
  readonly drills: readonly Readonly<{ id: string; summary: string; phase: string; until: string }>[];
  readonly alarms: readonly Readonly<{ severity: string; summary: string }>[];
  readonly splits: readonly Readonly<{
    service: string;
    queries: number;
    regions: readonly Readonly<{ region: string | null; planned: number; actual: number }>[];
  }>[];
}

const LOOK_MS = 2_000;
/** Over what traffic shares are counted: what the node keeps begins anew every five minutes. */
const SPLIT_SINCE = "10m";
/** q, and Ctrl-C, which is no signal while single keys are read. */
const LEAVING = ["q", "\u0003"];
const SCREEN = { enter: "\x1b[?1049h\x1b[?25l", leave: "\x1b[?25h\x1b[?1049l", home: "\x1b[H\x1b[J" };

/** Shows the node until it is left; `once` prints one look and ends. */
export async function top(options: ApiOptions & { readonly once?: boolean }): Promise<void> {
  if (options.once === true || !process.stdout.isTTY) {
    const scene = await look(options);
    if (scene !== null)
      for (const line of draw(scene, 120, Number.POSITIVE_INFINITY)) print(stripVTControlCharacters(line));
    return;
  }
  const left = Promise.withResolvers<void>();
  process.stdin.setRawMode(true);
  process.stdin.on("data", (keys) => {
    if (LEAVING.some((key) => keys.toString().includes(key))) left.resolve();
  });
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, () => left.resolve());
  let isOver = false;
  void left.promise.then(() => {
    isOver = true;
  });
  process.stdout.write(SCREEN.enter);
  try {
    while (!isOver) {
      const scene = await look(options);
      if (scene === null) return;
      const { columns, rows } = process.stdout;
      if (!isOver) process.stdout.write(SCREEN.home + draw(scene, columns, rows - 1).join("\n"));
      await Promise.race([left.promise, new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref())]);
    }
  } finally {
    process.stdout.write(SCREEN.leave);
    process.stdin.setRawMode(false);
    process.stdin.pause();
    if (process.exitCode === 1) complain(`${options.api} cannot be asked any more`);
  }
}

/** Everything that the screen shows; null: the node cannot be asked, and the operator has been told why. */
async function look(options: ApiOptions): Promise<Scene | null> {
  const list = (
    name: string,
    asked: Readonly<Record<string, string>> = {},
    by: ApiOptions = options,
  ): Promise<readonly unknown[] | null> => getListFromApi(`/v1/${name}`, name, by, asked);
  const status = await getFromApi("/v1/status", options);
  if (status === null) return null;
  const parts = {
    services: await list("services"),
    verdicts: await list("verdicts"),
    vantages: await list("vantages"),
    overrides: await list("overrides"),
    drills: await list("drills"),
    alarms: await list("alarms"),
    // There are none where the node keeps no profile of its traffic.
    splits: (await list("splits", { since: SPLIT_SINCE }, { ...options, isOptional: true })) ?? [],
  };
  if (Object.values(parts).includes(null)) return null;
  return { api: options.api, at: new Date(), status, ...parts } as Scene;
}

/** The screen as lines of at most so many columns, and at most so many of them: what is wrong comes first. */
export function draw(scene: Scene, columns: number, rows: number): readonly string[] {
  const { api, at, status, services, verdicts, vantages, overrides, drills, alarms, splits } = scene;
  const down = verdicts.filter(({ up }) => !up);
  const lost = vantages.filter(({ fresh, isolated }) => !fresh || isolated);
  const behind = status.version === status.adoptedVersion ? "" : `, dns serves ${status.adoptedVersion}`;
  const running = drills.filter(({ phase }) => phase !== "over");
  const lines = [
    styleText("bold", `${api}  ${at.toISOString().slice(0, 19)}Z  version ${status.version}${behind}`),
    [
      countOf(down.length, verdicts.length, "VIPs up"),
      countOf(lost.length, vantages.length, "vantages see"),
      `${overrides.filter(({ active }) => active).length} overrides`,
      `${running.length} drills`,
    ].join("   "),
    ...section("ALARMS", alarms, ({ severity, summary }) => [
      styleText(severity === "critical" ? "red" : "yellow", severity.padEnd(9)),
      summary,
    ]),
    ...section("DOWN", down, ({ vip, basis, reason, since }) => [
      styleText("red", vip),
      `${basis} since ${since}`,
      reason,
    ]),
    ...section("DRILLS", running, ({ id, summary, phase, until }) => [id, phase, summary, `until ${until}`]),
    ...section("VANTAGES", lost, ({ vantage, streams, isolated }) => [
      styleText("yellow", vantage),
      isolated ? "isolated" : streams === 0 ? "not connected" : "silent",
    ]),
    ...section("OVERRIDES", overrides, ({ id, author, until, active }) => [
      id,
      `by ${author}`,
      active ? `until ${until ?? "it is ended"}` : "over",
    ]),
    "",
    styleText(
      "dim",
      "SERVICES                        bound / objective   answers of ten minutes: planned, and as they were",
    ),
    ...services.map((service) => serviceLine(service, splits)),
  ];
  const shown =
    lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} lines more`];
  return shown.map((line) => cut(line, columns));
}

function serviceLine(
  { name, boundMs, failoverWithinMs }: Scene["services"][number],
  splits: Scene["splits"],
): string {
  const isBroken = boundMs !== null && failoverWithinMs !== null && boundMs > failoverWithinMs;
  const bound = `${seconds(boundMs)} / ${seconds(failoverWithinMs)}`.padEnd(19);
  const regions = splits.find(({ service }) => service === name)?.regions ?? [];
  const shares = regions.map(
    ({ region, planned, actual }) => `${region ?? "none"} ${percent(planned)} ${percent(actual)}`,
  );
  return `${name.padEnd(31)} ${isBroken ? styleText("red", bound) : bound} ${shares.join("   ") || "-"}`;
}

function section<T>(
  title: string,
  entries: readonly T[],
  wordsOf: (entry: T) => readonly string[],
): readonly string[] {
  if (entries.length === 0) return [];
  return ["", styleText("dim", title), ...entries.map((entry) => wordsOf(withoutControls(entry)).join("  "))];
}

/** An entry as it came, with texts that a terminal can be given, each on one line. */
function withoutControls<T>(entry: T): T {
  return JSON.parse(JSON.stringify(entry), (_key, value) =>
    typeof value === "string" ? printable(value).replaceAll(/[\t\n]+/g, " ") : value,
  );
}

function countOf(missing: number, all: number, what: string): string {
  const text = `${all - missing} of ${all} ${what}`;
  return missing === 0 ? text : styleText("red", text);
}

/** Cuts a line at so many columns; what colours it has no width. */
function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= columns ? line : `${plain.slice(0, columns - 1)}…`;
}
