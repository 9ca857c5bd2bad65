/** Whole behaviours as transcripts: `test/scenarios/health-*.txt`; `UPDATE=1` rewrites them, to be read in the diff. */

import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Failback, Quorum } from "../../src/config/check.ts";
import { takeOf } from "../../src/health/ramp.ts";
import { type Changes, Tracker } from "../../src/health/tracker.ts";
import type { Verdict } from "../../src/health/verdict.ts";
import { randomFrom } from "../e2e/random.ts";
import { checkWith, tracked, vantageId, vipId } from "./fixtures.ts";
import { Simulation } from "./simulation.ts";

const { UPDATE } = process.env;
const folder = join(import.meta.dirname, "..", "scenarios");
const files = globSync("health-*.txt", { cwd: folder }).sort();

test.each(files)("%s", async (name) => {
  const file = join(folder, name);
  const text = readFileSync(file, "utf8");
  const replayed = await replay(text);
  if (UPDATE === "1") writeFileSync(file, replayed);
  else expect(replayed).toBe(text);
});

/** Blocks of `command`, `----`, output, an empty line; what stands before the first block is a comment. */
async function replay(text: string): Promise<string> {
  const stage = new Stage();
  const replayed: string[] = [];
  for (const block of text.trimEnd().split("\n\n")) {
    const [command, isBlock] = block.split("\n----");
    if (command === undefined || isBlock === undefined) replayed.push(block);
    else replayed.push([command, "----", ...(await stage.perform(command))].join("\n"));
  }
  return `${replayed.join("\n\n")}\n`;
}

/** The simulation that a transcript speaks to, and the tracker that hears its agents. */
class Stage {
  #slowStartMs = 0;
  #world: { readonly simulation: Simulation; readonly tracker: Tracker } | null = null;
  /** What the tracker has said since somebody asked. */
  #said: string[] = [];

  async perform(command: string): Promise<readonly string[]> {
    const [verb = "", ...words] = command.split(" ");
    if (verb === "world") return this.#build(new Map(words.map((word) => pairOf(word))));
    if (this.#world === null) throw new Error(`Cannot perform "${command}": expected a world first`);
    const { simulation, tracker } = this.#world;
    const vips = words.map(vipId);
    const vantages = words.map(vantageId);
    switch (verb) {
      case "kill":
        for (const vip of vips) simulation.kill(vip);
        return [];
      case "revive":
        for (const vip of vips) simulation.revive(vip);
        return [];
      case "cut-off":
      case "reconnect":
        for (const vantage of vantages) simulation.cutOff(vantage, verb === "cut-off");
        return [];
      case "release":
        return linesOf(simulation.nowMs, tracker.release(vips, simulation.nowMs));
      case "silence":
      case "hear":
        for (const vantage of vantages) simulation.silence(vantage, verb === "silence");
        return [];
      case "run":
        this.#said = [];
        await simulation.runUntil(simulation.nowMs + msOf(words[0]));
        return this.#said;
      case "verdicts":
        return [...tracker.verdicts().values()].flatMap((verdict) => this.#describe(verdict));
      case "vantages":
        return tracker
          .vantageStates()
          .map(
            ({ vantage, fresh, isolated, knownVips, contradictedVips }) =>
              `${vantage}: ${fresh ? "fresh" : "stale"}${isolated ? ", isolated" : ""}, ` +
              `contradicted on ${contradictedVips} of ${knownVips}`,
          );
      default:
        throw new Error(`Cannot perform "${command}": expected one of the verbs of this file`);
    }
  }

  #build(options: ReadonlyMap<string, string>): readonly string[] {
    this.#slowStartMs = msOf(options.get("slow-start") ?? "0s");
    const check = checkWith({
      rise: Number(options.get("rise") ?? 2),
      fall: Number(options.get("fall") ?? 3),
      quorum: { kind: options.get("quorum") ?? "majority" } as Quorum,
      minVantages: Number(options.get("min-vantages") ?? 1),
      failback: failbackOf(options),
      slowStartMs: this.#slowStartMs,
    });
    const vips = (options.get("vips") ?? "").split(",").map(vipId);
    const vantages = (options.get("vantages") ?? "").split(",").map(vantageId);
    const tracker = new Tracker(tracked(vips, check), vantages, 0);
    const simulation = new Simulation({
      checks: new Map(vips.map((vip) => [vip, check])),
      vantages,
      random: randomFrom(1),
      probeMs: (kind) => (kind === "success" ? 10 : 0),
      onReport: (report) => this.#said.push(...linesOf(report.atMs, tracker.report(report))),
      onTick: (nowMs) => this.#said.push(...linesOf(nowMs, tracker.tick(nowMs))),
    });
    this.#world = { simulation, tracker };
    return [];
  }

  #describe(verdict: Verdict): readonly string[] {
    const nowMs = this.#world?.simulation.nowMs ?? 0;
    const take = verdict.recovering ? `, takes ${takeOf(verdict, this.#slowStartMs, nowMs)}` : "";
    const votes = verdict.votes.map(
      ({ vantage, opinion, counts, error }) =>
        `  ${vantage}: ${opinion}${counts ? "" : ", no vote"}${error === null ? "" : `, ${error.class}`}`,
    );
    return [`${sentenceOf(verdict)}, since ${secondsOf(verdict.sinceMs)}${take}`, ...votes];
  }
}

function failbackOf(options: ReadonlyMap<string, string>): Failback {
  const holdDown = options.get("hold-down") ?? "0s";
  if (holdDown === "manual") return { kind: "manual" };
  return {
    kind: "auto",
    holdDownMs: msOf(holdDown),
    holdDownMsMax: msOf(options.get("hold-down-max") ?? "3600s"),
    halfLifeMs: msOf(options.get("half-life") ?? "900s"),
  };
}

function linesOf(atMs: number, { flipped, revised }: Changes): readonly string[] {
  return [
    ...flipped.map((verdict) => `${secondsOf(atMs)} ${sentenceOf(verdict)}`),
    ...revised.map((verdict) => `${secondsOf(atMs)} ${sentenceOf(verdict)}, as before`),
  ];
}

function sentenceOf({ vip, up, basis, reason, recovering }: Verdict): string {
  return `${vip} is ${up ? "up" : "down"}${recovering ? ", recovering" : ""}, ${basis} (${reason})`;
}

function secondsOf(ms: number): string {
  return `${(ms / 1_000).toFixed(3)}s`;
}

function msOf(text = ""): number {
  return Number(text.replace(/s$/, "")) * 1_000;
}

function pairOf(word: string): readonly [string, string] {
  const [key = "", value = ""] = word.split("=");
  return [key, value];
}
