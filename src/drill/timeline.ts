/** The timeline of a drill as HTML with SVG: what each resolver answered with, and what happened meanwhile. */

import type { ClientReport } from "./client.ts";
import { describeMoment } from "./describe.ts";
import type { Moment } from "./drill.ts";
import { escapeMarkup } from "./markup.ts";
import type { DrillReport } from "./report.ts";
import { seconds } from "./report-sections.ts";
import { nameOf } from "./verdict.ts";

/** In pixels. Times run along percentages, so that the picture is as wide as the page and its words stay as large as all others. */
const LANE = 22;
const BAR = 14;
/** Room for the moments' numbers, which stand one below the other. */
const ROW = 15;

/** Times end here, so that there is room for the number of a moment at the end. */
const PERCENT_MAX = 92;

/** More lanes are no picture any more; the tables have them all. */
const LANES_MAX = 60;
/** More moments than these are told without the verdicts on single VIPs. */
const MARKS_MAX = 20;
/** More times are too close to each other on a telephone. */
const TICKS_MAX = 6;

/** What a lane shows of a time. */
type Kind = "before" | "after" | "none";

const KIND_WORDS: Readonly<Record<Kind, string>> = {
  before: "as before",
  after: "something else",
  none: "nothing",
};

/** The time that is drawn. */
interface Axis {
  readonly fromMs: number;
  readonly toMs: number;
  /** The beginning, from which times are told. */
  readonly zeroMs: number;
}

/**
 * A lane for each client. What is answered as before is a whole bar, anything else the lower half of one, and nothing an outline, so
 * that it can be read without colours. Who cannot see it is told what the tables below say in figures.
 */
export function timeline(report: DrillReport): string {
  const lanes = report.clients
    .slice(0, LANES_MAX)
    .map((client) => ({ client, bars: barsOf(report, client) }));
  const marks = marksOf(report);
  const times = lanes.flatMap(({ bars }) => bars.flatMap(({ fromMs, toMs }) => [fromMs, toMs]));
  const all = [report.drill.startedMs, ...times, ...marks.map(({ atMs }) => atMs)];
  const fromMs = all.reduce((a, b) => Math.min(a, b));
  const toMs = all.reduce((a, b) => Math.max(a, b), fromMs + 1);
  const axis: Axis = { fromMs, toMs, zeroMs: report.begunAtMs ?? report.drill.startedMs };
  const lines = marks.map((moment) => lineOf(moment, axis, 0, LANE)).join("");
  return [
    `<figure>`,
    numbersOf(marks, axis),
    ...lanes.map(({ client, bars }) =>
      laneOf(nameOf(client), LANE, lines + bars.map((bar) => drawBar(bar, axis)).join("")),
    ),
    laneOf("", ROW, ticksOf(axis)),
    `<figcaption>`,
    `<p>A whole bar: answered as before. The lower half of one: answered with something else. An outline: not answered. ${escapeMarkup(summaryOf(report, lanes.length))}</p>`,
    `<ol>${marks.map((moment) => `<li>${seconds(moment.atMs - axis.zeroMs)}: ${escapeMarkup(describeMoment(moment))}</li>`).join("\n")}</ol>`,
    `</figcaption>`,
    `</figure>`,
  ].join("\n");
}

interface Bar {
  readonly kind: Kind;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Runs of a kind in a row, joined: answers that are drawn by weight change each second. */
function barsOf({ drill }: DrillReport, { runs }: ClientReport): readonly Bar[] {
  const gone = new Set(drill.vips.flatMap((vip) => drill.addresses[vip] ?? []));
  const bars: Bar[] = [];
  for (const { addresses, firstAskedAtMs, lastAskedAtMs } of runs) {
    const kind =
      addresses.length === 0 ? "none" : addresses.some((address) => gone.has(address)) ? "before" : "after";
    const last = bars.at(-1);
    if (last?.kind === kind) bars[bars.length - 1] = { ...last, toMs: lastAskedAtMs };
    else bars.push({ kind, fromMs: firstAskedAtMs, toMs: lastAskedAtMs });
  }
  return bars;
}

/** Votes and plans would be too many. */
function marksOf({ drill }: DrillReport): readonly Moment[] {
  const marks = drill.moments.filter(({ kind }) => kind !== "voted" && kind !== "patched");
  return marks.length > MARKS_MAX ? marks.filter(({ kind }) => kind !== "flipped") : marks;
}

function percentOf(atMs: number, { fromMs, toMs }: Axis): number {
  return ((atMs - fromMs) / (toMs - fromMs)) * PERCENT_MAX;
}

function xOf(atMs: number, axis: Axis): string {
  return `${percentOf(atMs, axis).toFixed(2)}%`;
}

/** One line of the picture, with a name that is text of the page, so that it wraps. */
function laneOf(name: string, height: number, content: string): string {
  return `<div class="lane"><span>${escapeMarkup(name)}</span><svg width="100%" height="${height}" aria-hidden="true" xmlns="http://www.w3.org/2000/svg">${content}</svg></div>`;
}

function drawBar({ kind, fromMs, toMs }: Bar, axis: Axis): string {
  const width = Math.max(0.1, percentOf(toMs, axis) - percentOf(fromMs, axis)).toFixed(2);
  const half = kind === "after" ? BAR / 2 : 0;
  const top = (LANE - BAR) / 2;
  const title = `${KIND_WORDS[kind]}, from ${seconds(fromMs - axis.zeroMs)} to ${seconds(toMs - axis.zeroMs)}`;
  return `<rect class="${kind}" x="${xOf(fromMs, axis)}" y="${top + half}" width="${width}%" height="${BAR - half}"><title>${title}</title></rect>`;
}

function lineOf({ atMs }: Moment, axis: Axis, y1: number, y2: number): string {
  const x = xOf(atMs, axis);
  return `<line x1="${x}" x2="${x}" y1="${y1}" y2="${y2}"/>`;
}

/** Each number stands to the right of its line and above those of later moments, so that none crosses it. */
function numbersOf(marks: readonly Moment[], axis: Axis): string {
  const height = marks.length * ROW;
  const drawn = marks.map((moment, i) => {
    const text = `<text x="${xOf(moment.atMs, axis)}" y="${(i + 1) * ROW - 3}" dx="3">${i + 1}</text>`;
    return lineOf(moment, axis, i * ROW, height) + text;
  });
  return laneOf("", height, drawn.join(""));
}

/** Times at round distances from the beginning, without those that the edges would cut. */
function ticksOf(axis: Axis): string {
  const { fromMs, toMs, zeroMs } = axis;
  const stepMs = roundStep((toMs - fromMs) / TICKS_MAX);
  const ticks: string[] = [];
  for (let i = Math.ceil((fromMs - zeroMs) / stepMs); zeroMs + i * stepMs <= toMs; i++) {
    const atMs = zeroMs + i * stepMs;
    if (percentOf(atMs, axis) < 100 - PERCENT_MAX) continue;
    ticks.push(`<text class="tick" x="${xOf(atMs, axis)}" y="${ROW - 3}">${(i * stepMs) / 1_000} s</text>`);
  }
  return ticks.join("");
}

/** The least of 1, 2, 5, 10, 20 … milliseconds that is no less. */
function roundStep(ms: number): number {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(ms)));
  return [1, 2, 5].map((digit) => digit * power).find((step) => step >= ms) ?? 10 * power;
}

function summaryOf({ clients, failover }: DrillReport, drawn: number): string {
  const passed = clients.filter((client) => client.failover.kind === "passed").length;
  const worst =
    failover === null ? "" : ` The slowest that keeps to TTLs took ${seconds(failover.total.worstMs)}.`;
  const rest = drawn < clients.length ? ` ${drawn} of ${clients.length} are drawn.` : "";
  return `${passed} of ${clients.length} clients moved.${worst}${rest} The tables below have the same in figures.`;
}
