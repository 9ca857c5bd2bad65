/** Whole behaviours as transcripts: `test/scenarios/health-*.txt`; `UPDATE=1` rewrites them, to be read in the diff. */

import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Quorum } from "../../src/config/config.ts";
import { takeOf } from "../../src/health/ramp.ts";
import type { Verdict } from "../../src/health/verdict.ts";
import { checkWith, vantageId, vipId } from "./fixtures.ts";
import { randomFrom, type Said, Simulation } from "./simulation.ts";

const { UPDATE } = process.env;
const folder = join(import.meta.dirname, "..", "scenarios");
const files = globSync("health-*.txt", { cwd: folder }).sort();

test.each(files)("%s", (name) => {
  const file = join(folder, name);
  const text = readFileSync(file, "utf8");
  const replayed = replay(text);
  if (UPDATE === "1") writeFileSync(file, replayed);
  else expect(replayed).toBe(text);
});

/** Blocks of `command`, `----`, output, an empty line; what stands before the first block is a comment. */
function replay(text: string): string {
  const stage = new Stage();
  const blocks = text.trimEnd().split("\n\n");
  const replayed = blocks.map((block) => {
    const [command, isBlock] = block.split("\n----");
    if (command === undefined || isBlock === undefined) return block;
    return [command, "----", ...stage.perform(command)].join("\n");
  });
  return `${replayed.join("\n\n")}\n`;
}

/** The simulation that a transcript speaks to. */
class Stage {
  #slowStartMs = 0;
  #simulation: Simulation | null = null;

  perform(command: string): readonly string[] {
    const [verb = "", ...words] = command.split(" ");
    if (verb === "world") return this.#build(new Map(words.map((word) => pairOf(word))));
    const simulation = this.#simulation;
    if (simulation === null) throw new Error(`Cannot perform "${command}": expected a world first`);
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
      case "silence":
      case "hear":
        for (const vantage of vantages) simulation.silence(vantage, verb === "silence");
        return [];
      case "run":
        return [...simulation.runUntil(simulation.nowMs + msOf(words[0]))].flatMap(linesOf);
      case "verdicts":
        return [...simulation.tracker.verdicts().values()].flatMap((verdict) => this.#describe(verdict));
      case "vantages":
        return simulation.tracker
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
      slowStartMs: this.#slowStartMs,
    });
    const vips = (options.get("vips") ?? "").split(",").map(vipId);
    const vantages = (options.get("vantages") ?? "").split(",").map(vantageId);
    this.#simulation = new Simulation({ vips, vantages, check, random: randomFrom(1), failsAfterMs: 0 });
    return [];
  }

  #describe(verdict: Verdict): readonly string[] {
    const nowMs = this.#simulation?.nowMs ?? 0;
    const take = verdict.recovering ? `, takes ${takeOf(verdict, this.#slowStartMs, nowMs)}` : "";
    const votes = verdict.votes.map(
      ({ vantage, opinion, counts, error }) =>
        `  ${vantage}: ${opinion}${counts ? "" : ", no vote"}${error === null ? "" : `, ${error.class}`}`,
    );
    return [`${sentenceOf(verdict)}, since ${secondsOf(verdict.sinceMs)}${take}`, ...votes];
  }
}

function linesOf({ atMs, changes }: Said): readonly string[] {
  const { flipped, revised } = changes;
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
