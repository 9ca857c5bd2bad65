/** A report in words and tables, for whichever form it takes. */

import type { ClientReport } from "./client.ts";
import { describeDrill, describeEnding, describeMoment } from "./describe.ts";
import type { Moment } from "./drill.ts";
import type { Figures } from "./figures.ts";
import { type Passage, segmentNames } from "./measure.ts";
import type { DrillReport } from "./report.ts";
import type { Stretcher } from "./stretcher.ts";

/** A part of a report. */
export interface Section {
  readonly title: string;
  readonly sentences: readonly string[];
  /** null: there is nothing to list. */
  readonly table: Table | null;
}

/** Cells in words; those of columns with figures stand to the right. */
export interface Table {
  readonly columns: readonly { readonly title: string; readonly isFigure: boolean }[];
  readonly rows: readonly (readonly string[])[];
}

/** What stands above all: `Drill eu-west-dies: passed`. */
export function titleOf({ drill, verdict }: DrillReport): string {
  return `Drill ${drill.spec.name}: ${verdict.kind}`;
}

/** All parts, the verdict first. */
export function sectionsOf(report: DrillReport): readonly Section[] {
  return [
    verdictSection(report),
    promises(report),
    whereTimeWent("Where the time went", report.failover),
    passages("Clients", "until they were connected to something else", report, "failover"),
    stretchers(report),
    whereTimeWent("Recovery", report.recovery),
    passages("Clients in the recovery", "until they were back", report, "recovery"),
    watchers(report),
    moments(report),
  ].filter(({ sentences, table }) => sentences.length > 0 || table !== null);
}

function verdictSection({ drill, verdict, begunAtMs, endedAtMs, restoredAtMs }: DrillReport): Section {
  const { spec, author, reason, startedMs } = drill;
  const lasted = begunAtMs === null || endedAtMs === null ? "" : `, for ${seconds(endedAtMs - begunAtMs)}`;
  const restored =
    endedAtMs === null || restoredAtMs === null
      ? []
      : [`All was as before ${seconds(restoredAtMs - endedAtMs)} after its end.`];
  return {
    title: "Verdict",
    sentences: [
      `${capital(describeDrill(spec))}, on ${momentOf(begunAtMs ?? startedMs)}${lasted}; ordered by ${author}: ${reason}.`,
      ...(drill.ending === null ? [] : [`It ended: ${describeEnding(drill.ending)}.`]),
      ...restored,
      ...verdict.reasons.map((each) => `${capital(verdict.kind)}: ${each}.`),
    ],
    table: null,
  };
}

function promises({ services }: DrillReport): Section {
  return {
    title: "Against what is promised",
    sentences: [
      "The last old answer is the latest look after the beginning that a resolver which keeps to TTLs still answered as before.",
    ],
    table: {
      columns: [
        words("Service"),
        ...["Bound", "Objective", "Last old answer", "p50", "p95", "Worst"].map(figure),
      ],
      rows: services.map(({ label, boundMs, objectiveMs, lastBeforeMs, failover }) => [
        label,
        secondsOr(boundMs),
        secondsOr(objectiveMs),
        secondsOr(lastBeforeMs),
        secondsOr(failover?.total.p50Ms ?? null),
        secondsOr(failover?.total.p95Ms ?? null),
        secondsOr(failover?.total.worstMs ?? null),
      ]),
    },
  };
}

function whereTimeWent(title: string, figures: Figures | null): Section {
  if (figures === null) return { title, sentences: [], table: null };
  const { passages: count, segments, slowest, total } = figures;
  const { label, family, vantage, resolver } = slowest;
  return {
    title,
    sentences: [
      `Over ${count} ${count === 1 ? "client" : "clients"} of resolvers that keep to TTLs; the slowest was ${vantage} through ${resolver ?? "no resolver"} for ${label} (IPv${family}).`,
    ],
    table: {
      columns: [words("From … to"), ...["p50", "p95", "Worst"].map(figure)],
      rows: [...segmentNames.map((name) => [name, segments[name]] as const), ["whole", total] as const].map(
        ([name, { p50Ms, p95Ms, worstMs }]) => [name, seconds(p50Ms), seconds(p95Ms), seconds(worstMs)],
      ),
    },
  };
}

function passages(
  title: string,
  until: string,
  { clients }: DrillReport,
  turn: "failover" | "recovery",
): Section {
  const seen = clients.filter((client) => client[turn].kind !== "untouched");
  if (seen.length === 0) return { title, sentences: [], table: null };
  return {
    title,
    sentences: [`What each resolver's clients waited for, ${until}.`],
    table: {
      columns: [
        ...["Vantage", "Resolver", "Service"].map(words),
        ...segmentNames.map((name) => figure(capital(name))),
        figure("Whole"),
      ],
      rows: seen.map((client) => [...namesOf(client), ...passageCells(client[turn])]),
    },
  };
}

function namesOf({ vantage, resolver, label, family, stretched }: ClientReport): readonly string[] {
  return [vantage, `${resolver ?? "none"}${stretched ? " (stretches TTLs)" : ""}`, `${label} (IPv${family})`];
}

function passageCells(passage: Passage): readonly string[] {
  switch (passage.kind) {
    case "passed": {
      const { detectMs, decideMs, publishMs, cacheMs, clientMs } = passage.segments;
      return [detectMs, decideMs, publishMs, cacheMs, clientMs, passage.totalMs].map(seconds);
    }
    case "waiting":
      return ["", "", "", "", "", `over ${seconds(passage.afterMs)}`];
    case "unknown":
      return ["", "", "", "", "", passage.reason];
    case "untouched":
      return ["", "", "", "", "", "not concerned"];
  }
}

function stretchers(report: DrillReport): Section {
  return {
    title: "Resolvers that stretch TTLs",
    sentences: report.stretchers.map(describeStretcher),
    table: null,
  };
}

/** In a sentence: whose resolver it is, and what shows that it stretches. */
function describeStretcher(stretcher: Stretcher): string {
  const { vantage, resolver, label, ttlSeconds, answeredTtlSeconds, heldMs, factor } = stretcher;
  const told =
    answeredTtlSeconds !== null && answeredTtlSeconds > ttlSeconds
      ? [`answered ${label} with a TTL of ${answeredTtlSeconds} s where it may have ${ttlSeconds} s`]
      : [];
  const held =
    heldMs > ttlSeconds * 1_000
      ? [`went on with an old answer for ${seconds(heldMs)} after the nodes had none`]
      : [];
  return `The resolver ${resolver ?? "?"} of ${vantage} ${[...told, ...held].join(", and ")}: at least ${factor.toFixed(1)} times as long as it may.`;
}

function watchers({ watchers: all }: DrillReport): Section {
  return {
    title: "Who watched",
    sentences: [],
    table: {
      columns: [...["Vantage", "Resolver"].map(words), ...["Looks", "Times are right to"].map(figure)],
      rows: all.map(({ vantage, resolver, watches, looks, uncertaintyMs }) => [
        vantage,
        resolver ?? "none",
        watches ? `${looks}` : "an older release, which does not watch",
        uncertaintyMs === null ? "" : `${uncertaintyMs.toFixed(1)} ms`,
      ]),
    },
  };
}

function moments({ drill, begunAtMs }: DrillReport): Section {
  const fromMs = begunAtMs ?? drill.startedMs;
  return {
    title: "What happened when",
    sentences: [],
    table: {
      columns: [figure("After the beginning"), words("What")],
      rows: drill.moments.map((moment: Moment) => [seconds(moment.atMs - fromMs), describeMoment(moment)]),
    },
  };
}

function words(title: string): { readonly title: string; readonly isFigure: boolean } {
  return { title, isFigure: false };
}

function figure(title: string): { readonly title: string; readonly isFigure: boolean } {
  return { title, isFigure: true };
}

function secondsOr(ms: number | null): string {
  return ms === null ? "none" : seconds(ms);
}

/** To the millisecond, so that segments add up to the whole where somebody adds them. */
export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}

/** `2026-11-21 23:15:00 UTC`. */
function momentOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
