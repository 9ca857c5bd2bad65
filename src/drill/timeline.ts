/** The timeline of a drill as SVG: what each resolver answered with, and what happened meanwhile. */

import type { ClientReport } from "./client.ts";
import { describeMoment } from "./describe.ts";
import type { Moment } from "./drill.ts";
import { escapeMarkup } from "./markup.ts";
import type { DrillReport } from "./report.ts";
import { seconds } from "./report-sections.ts";
import { nameOf } from "./verdict.ts";

const WIDTH = 1_100;
/** Where times begin: names of clients stand to the left of it. */
const LEFT = 440;
const LANE = 26;
const BAR = 16;
/** Room for the moments' names, which stand one below the other. */
const ROW = 15;

/** More lanes are no picture any more; the tables have them all. */
const LANES_MAX = 60;

/** What a lane shows of a time. */
type Kind = "before" | "after" | "none";

const KIND_WORDS: Readonly<Record<Kind, string>> = {
  before: "as before",
  after: "something else",
  none: "nothing",
};

/**
 * A lane for each client. What is answered as before is a whole bar, anything else the lower half of one, and nothing an outline, so
 * that it can be read without colours. Each bar has a title, and the picture a description.
 */
export function timeline(report: DrillReport): string {
  const lanes = report.clients
    .slice(0, LANES_MAX)
    .map((client) => ({ client, bars: barsOf(report, client) }));
  const marks = report.drill.moments.filter(isMarked);
  const times = lanes.flatMap(({ bars }) => bars.flatMap(({ fromMs, toMs }) => [fromMs, toMs]));
  const fromMs = Math.min(report.drill.startedMs, ...times, ...marks.map(({ atMs }) => atMs));
  const toMs = Math.max(fromMs + 1, ...times, ...marks.map(({ atMs }) => atMs));
  const xOf = (atMs: number): string =>
    (LEFT + ((atMs - fromMs) / (toMs - fromMs)) * (WIDTH - LEFT - 10)).toFixed(1);
  const top = (marks.length + 1) * ROW;
  const height = top + (lanes.length + 1) * LANE;
  const zeroMs = report.begunAtMs ?? report.drill.startedMs;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" role="img" aria-labelledby="timeline-title timeline-description" xmlns="http://www.w3.org/2000/svg">`,
    `<title id="timeline-title">What each resolver answered with</title>`,
    `<desc id="timeline-description">${escapeMarkup(descriptionOf(report, lanes.length))}</desc>`,
    ...marks.map((moment, i) => markOf(moment, xOf(moment.atMs), (i + 1) * ROW, height, zeroMs)),
    ...lanes.map(({ client, bars }, i) => {
      const y = top + i * LANE;
      const name = escapeMarkup(nameOf(client));
      const drawn = bars.map((bar) => drawBar(bar, xOf, y, zeroMs));
      return `<g><text x="0" y="${y + BAR - 3}">${name}</text>${drawn.join("")}</g>`;
    }),
    "</svg>",
    "<p>A whole bar: answered as before. The lower half of one: answered with something else. An outline: not answered.</p>",
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

function drawBar(
  { kind, fromMs, toMs }: Bar,
  xOf: (atMs: number) => string,
  y: number,
  zeroMs: number,
): string {
  const x = xOf(fromMs);
  const width = Math.max(1, Number(xOf(toMs)) - Number(x)).toFixed(1);
  const half = kind === "after" ? BAR / 2 : 0;
  const title = `${KIND_WORDS[kind]}, from ${seconds(fromMs - zeroMs)} to ${seconds(toMs - zeroMs)}`;
  return `<rect class="${kind}" x="${x}" y="${y + half}" width="${width}" height="${BAR - half}"><title>${title}</title></rect>`;
}

/** Votes and plans would be too many. */
function isMarked({ kind }: Moment): boolean {
  return kind !== "voted" && kind !== "patched";
}

function markOf(moment: Moment, x: string, y: number, height: number, zeroMs: number): string {
  const words = escapeMarkup(`${seconds(moment.atMs - zeroMs)}: ${describeMoment(moment)}`);
  const isLate = Number(x) > (WIDTH + LEFT) / 2;
  const text = `<text x="${isLate ? Number(x) - 4 : Number(x) + 4}" y="${y - 3}"${isLate ? ' text-anchor="end"' : ""}>${words}</text>`;
  return `<line class="moment" x1="${x}" x2="${x}" y1="${y - ROW + 2}" y2="${height}"/>${text}`;
}

function descriptionOf({ clients, failover }: DrillReport, drawn: number): string {
  const passed = clients.filter((client) => client.failover.kind === "passed").length;
  const worst =
    failover === null ? "" : ` The slowest that keeps to TTLs took ${seconds(failover.total.worstMs)}.`;
  const rest = drawn < clients.length ? ` ${drawn} of ${clients.length} are drawn.` : "";
  return `${passed} of ${clients.length} clients moved.${worst}${rest} The tables below have the same in figures.`;
}
