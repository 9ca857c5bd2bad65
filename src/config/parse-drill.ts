/** The section `drills`: rehearsed failures. */

import type { Checked, Problem } from "../problem.ts";
import type { Config, Vantage, VantageId } from "./config.ts";
import { parseCron } from "./cron.ts";
import type {
  DeclaredDrill,
  DrillAction,
  DrillExpectation,
  DrillGuards,
  DrillSchedule,
  DrillSpec,
  DrillTarget,
} from "./drills.ts";
import { keys } from "./keys.ts";
import { parseTimeZone } from "./local-time.ts";
import { parseServicePatterns } from "./parse-invariant.ts";
import { weightRange } from "./parse-pool.ts";
import { parseSelections } from "./parse-selection.ts";
import { placeOf, type RuleContext } from "./parse-test.ts";
import { type Fields, Problems, Reader } from "./read.ts";
import type { Range } from "./units.ts";
import { readYaml } from "./yaml.ts";

/** What drills refer to. */
interface DrillContext extends RuleContext {
  readonly vantages: ReadonlyMap<VantageId, Vantage>;
}

type DrillFields = Fields<(typeof keys)["drills.*"][number]>;

const durationRange: Range = { least: 1_000, most: 86_400_000 };
const withinRange: Range = { least: 1, most: 86_400_000 };
const regionsRange: Range = { least: 1, most: 1_000 };

/** Above this share of failures a drill is called off that says nothing of its own. */
const ERRORS_AT_MOST = 0.1;

/** The section `drills`; null where it is not given. */
export function parseDrills(
  reader: Reader | null,
  context: DrillContext,
): ReadonlyMap<string, DeclaredDrill> {
  const drills = new Map<string, DeclaredDrill>();
  for (const { name, key, value } of reader?.named() ?? []) {
    const fields = value.fields(keys["drills.*"]);
    const spec = parseSpec(name, value, fields, context);
    const schedule = fields.optional("schedule");
    const declared = { place: placeOf(key, context.file), schedule: schedule && parseSchedule(schedule) };
    if (spec !== null) drills.set(name, { ...spec, ...declared });
  }
  return drills;
}

/** A drill that somebody asks for, in JSON, with the keys of a declared one. */
export function parseDrill(name: string, json: string, config: Config): Checked<DrillSpec> {
  const { file, services, regions, members, vantages } = config;
  const yaml = readYaml("request", json);
  if (yaml.value === null) return { value: null, problems: yaml.problems };
  const problems = new Problems("request");
  const reader = new Reader(yaml.value, yaml.value, "", problems);
  const declared = services.map(({ label }) => label);
  const context = { file, services, declared, regions, members, vantages, countries: new Set<string>() };
  const value = parseSpec(name, reader, reader.fields(keys["drills.*"]), context);
  const all: readonly Problem[] = [...yaml.problems, ...problems.all];
  return { value: all.length === 0 ? value : null, problems: all };
}

/** Null where it does nothing, which is collected. */
function parseSpec(
  name: string,
  reader: Reader,
  fields: DrillFields,
  context: DrillContext,
): DrillSpec | null {
  const action = parseAction(reader, fields, context);
  const durationMs = fields.required("duration")?.duration(durationRange) ?? Number.NaN;
  const watched = fields.optional("services");
  const services = watched === null ? [] : parseServicePatterns(watched, context);
  const expect = parseExpectation(fields.optional("expect"), context);
  const guards = parseGuards(fields.optional("guards"));
  if (action === null) return null;
  return { name, action, durationMs, services: services.map(({ label }) => label), expect, guards };
}

function parseAction(reader: Reader, fields: DrillFields, context: DrillContext): DrillAction | null {
  const kind = fields.required("mode")?.oneOf(["drain", "dead", "cut", "weight"]) ?? null;
  const target = fields.required("target");
  const weight = fields.optional("weight");
  const by = fields.optional("by");
  if (kind === null || target === null) return null;
  if (weight !== null && kind !== "weight") weight.problemAtKey("expected only with mode weight");
  if (by !== null && kind !== "dead") by.problemAtKey("expected only with mode dead");
  switch (kind) {
    case "cut": {
      const vantages = target.fields(["vantages"]).required("vantages");
      return vantages === null ? null : { kind, vantages: parseVantages(vantages, context) };
    }
    case "dead": {
      const dead = parseTarget(target, ["region", "member", "vip"], context);
      const vantages = by === null ? [...context.vantages.keys()] : parseVantages(by, context);
      return dead === null ? null : { kind, target: dead, by: vantages };
    }
    case "drain": {
      const drained = parseTarget(target, ["region", "member"], context);
      return drained === null ? null : { kind, target: drained };
    }
    case "weight": {
      const weighed = parseTarget(target, ["region", "member"], context);
      if (weight === null) reader.problemAtKey('expected the key "weight"');
      if (weighed === null || weight === null) return null;
      return { kind, target: weighed, weight: weight.number(weightRange) };
    }
  }
}

function parseTarget<By extends "region" | "member" | "vip">(
  reader: Reader,
  bys: readonly By[],
  context: DrillContext,
): DrillTarget<By> | null {
  const fields = reader.fields(bys);
  const [by, ...others] = fields.given;
  const value = by === undefined ? null : fields.optional(by);
  if (by === undefined || value === null || others.length > 0) {
    if (reader.kind === "map") reader.problem(`expected one of the keys ${bys.join(", ")}`);
    return null;
  }
  const id = parseId(value, by, context);
  return id === null ? null : ({ by, id } as DrillTarget<By>);
}

function parseId(
  reader: Reader,
  by: DrillTarget["by"],
  { regions, members }: DrillContext,
): DrillTarget["id"] | null {
  switch (by) {
    case "region":
      return reader.reference("region", regions);
    case "member":
      return reader.reference("member", members);
    case "vip": {
      const vips = [...members.values()].flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
      return reader.reference("VIP", new Map(vips.flatMap((vip) => (vip === null ? [] : [[vip.id, vip]]))));
    }
  }
}

/** One name or a list of them. */
function parseVantages(reader: Reader, { vantages }: DrillContext): readonly VantageId[] {
  const items = reader.kind === "list" ? reader.items("a list", "vantage") : [reader];
  return [...new Set(items.flatMap((item) => item.reference("vantage", vantages) ?? []))];
}

function parseExpectation(reader: Reader | null, context: DrillContext): DrillExpectation {
  const fields = reader?.fields(keys["drills.*.expect"]);
  const to = fields?.optional("to") ?? null;
  const selections = to === null ? [] : parseSelections(to, context);
  return {
    to: [...new Set(selections.flatMap(({ vips }) => [...vips]))],
    words: selections.map(({ text }) => text),
    withinMs: fields?.optional("within")?.duration(withinRange) ?? null,
  };
}

function parseGuards(reader: Reader | null): DrillGuards {
  const fields = reader?.fields(keys["drills.*.guards"]);
  return {
    regionsUp: fields?.optional("regionsUp")?.wholeNumber(regionsRange) ?? 1,
    errorsAtMost: fields?.optional("errorsAtMost")?.fraction() ?? ERRORS_AT_MOST,
    loadAtMost: fields?.optional("loadAtMost")?.fraction() ?? 1,
    quietElsewhere: fields?.optional("quietElsewhere")?.boolean() ?? true,
  };
}

function parseSchedule(reader: Reader): DrillSchedule | null {
  const fields = reader.fields(keys["drills.*.schedule"]);
  const text = fields.required("cron");
  const cron = text?.parsed('five fields of a crontab such as "30 4 * * TUE"', parseCron) ?? null;
  const zone =
    fields.optional("zone")?.parsed("a time zone such as UTC or Europe/Dublin", parseTimeZone) ?? "UTC";
  const blocked = fields.optional("blocked")?.items() ?? [];
  const days = blocked.flatMap((day) => day.matching(/^\d{4}-\d\d-\d\d$/, "a day such as 2026-12-24") ?? []);
  return cron === null ? null : { cron, zone, blocked: days };
}
