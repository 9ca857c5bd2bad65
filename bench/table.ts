/** What all turns come to: medians, ratios within a turn, and the Markdown that shows them. */

import type { Figures } from "./measure.ts";

/** Every server once, one soon after the other, by name. Ratios hold only within a turn, because a machine's speed changes. */
export type Turn = ReadonlyMap<string, Figures>;

/** How many queries were answered rightly. */
type Outcome = Pick<Figures, "sent" | "lost" | "wrong" | "firstWrong">;

/** What the slowest one of a thousand answers may take at half load. */
const P999_US_MAX = 2_000;

/** A ratio of costs that must not be exceeded. */
export interface Limit {
  readonly of: string;
  readonly to: string;
  readonly atMost: number;
}

/** The table of these servers, in this order; those that never ran are left out. */
export function tableOf(turns: readonly Turn[], names: readonly string[], base: string): string {
  const rows = names.flatMap((name) => {
    const figures = runsOf(turns, name);
    return figures.length === 0 ? [] : [rowOf(name, figures, ratioOf(turns, name, base))];
  });
  return markdownOf(HEAD, rows, [0, HEAD.length - 1]);
}

/** What a server showed in all turns in which it ran. */
export function runsOf<T>(turns: readonly ReadonlyMap<string, T>[], name: string): readonly T[] {
  return turns.flatMap((turn) => turn.get(name) ?? []);
}

/** Rows under their headings; the columns `texts` hold text, all others numbers. */
export function markdownOf(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  texts: readonly number[],
): string {
  const rule = head.map((_, i) => (texts.includes(i) ? "---" : "---:"));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** The median of the ratios of two servers' CPU per answer in the same turn; null: they never met. */
export function ratioOf(turns: readonly Turn[], of: string, to: string): number | null {
  const ratios = turns.flatMap((turn) => {
    const [a, b] = [turn.get(of), turn.get(to)];
    return a === undefined || b === undefined ? [] : [a.cpuUs / b.cpuUs];
  });
  return ratios.length === 0 ? null : median(ratios);
}

/** A line for each limit whose servers ran: the figure next to what it may be. */
export function verdictsOn(turns: readonly Turn[], limits: readonly Limit[]): readonly string[] {
  return limits.flatMap(({ of, to, atMost }) => {
    const ratio = ratioOf(turns, of, to);
    if (ratio === null) return [];
    const verdict = ratio <= atMost ? "kept" : "MISSED";
    return [`${of}: ${ratio.toFixed(2)} times the CPU of ${to}, at most ${atMost.toFixed(2)}: ${verdict}`];
  });
}

/** A line for each latency limit of `of` whose servers ran: p99.9 at half load, medians of the turns. */
export function slownessOf(
  turns: readonly ReadonlyMap<string, Pick<Figures, "p999us">>[],
  of: string,
  to: string,
): readonly string[] {
  const slowest = (name: string): number => median(runsOf(turns, name).map(({ p999us }) => p999us));
  const [own, other] = [slowest(of), slowest(to)];
  const said = (limit: string, atMost: number): readonly string[] => {
    if (Number.isNaN(own) || Number.isNaN(atMost)) return [];
    return [`${of}: p99.9 of ${ms(own)}, at most ${limit}: ${own <= atMost ? "kept" : "MISSED"}`];
  };
  return [...said(ms(P999_US_MAX), P999_US_MAX), ...said(`that of ${to}, ${ms(other)}`, other)];
}

function ms(us: number): string {
  return `${(us / 1e3).toFixed(2)} ms`;
}

/** How much the host of this virtual machine disturbed runs, from what it took of each. */
export function disturbanceOf(stolen: readonly number[]): string {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  return `the host took ${percent(median(stolen))} of the time of a run, and ${percent(Math.max(...stolen))} of the worst`;
}

/** Replies of a server that were wrong, or lost beyond this share of what was asked; null: none. */
export function faultOf(name: string, figures: readonly Outcome[], lostShareMax: number): string | null {
  const { sent, lost, wrong } = totalOf(figures);
  const firstWrong = figures.find((figure) => figure.wrong > 0)?.firstWrong;
  if (wrong > 0) return `${name}: ${wrong} wrong replies of ${sent}, the first: ${firstWrong}`;
  if (lost > lostShareMax * sent) return `${name}: ${lost} of ${sent} queries lost`;
  return null;
}

/** The middle of some numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  const high = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN;
  return (low + high) / 2;
}

const HEAD = [
  "server",
  "CPU µs/answer",
  "× C echo",
  "all processes µs",
  "answers/s",
  "core busy",
  "lost",
  "wrong",
  "p50 µs",
  "p99 µs",
  "p99.9 µs",
  "answers by VIP",
];

function rowOf(name: string, figures: readonly Figures[], ratio: number | null): readonly string[] {
  const middle = (of: (figure: Figures) => number): number => median(figures.map(of));
  const { sent, lost, wrong } = totalOf(figures);
  return [
    name,
    middle(({ cpuUs }) => cpuUs).toFixed(2),
    ratio === null ? "" : ratio.toFixed(2),
    middle(({ cpuOfAllUs }) => cpuOfAllUs).toFixed(2),
    thousands(middle(({ qps }) => qps)),
    `${(100 * middle(({ busy }) => busy)).toFixed(0)} %`,
    lost === 0 ? "0" : `${lost} (${((100 * lost) / sent).toPrecision(2)} %)`,
    String(wrong),
    thousands(middle(({ p50us }) => p50us)),
    thousands(middle(({ p99us }) => p99us)),
    thousands(middle(({ p999us }) => p999us)),
    sharesOf(figures),
  ];
}

function totalOf(figures: readonly Outcome[]): {
  readonly sent: number;
  readonly lost: number;
  readonly wrong: number;
} {
  const sum = (of: (figure: Outcome) => number): number =>
    figures.reduce((all, figure) => all + of(figure), 0);
  return { sent: sum(({ sent }) => sent), lost: sum(({ lost }) => lost), wrong: sum(({ wrong }) => wrong) };
}

/** `32 : 40 : 28`, in percent: servers with the same policy over the same geo data must agree. */
function sharesOf(figures: readonly Figures[]): string {
  const counts = Object.values(figures[0]?.by ?? {});
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => ((100 * count) / all).toFixed(0)).join(" : ");
}

/** As `12,345`. */
export function thousands(value: number): string {
  return Math.round(value).toLocaleString("en");
}
