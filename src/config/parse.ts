/** `meridian.yaml` -> config, with every problem of the file at once. */

import type { Checked, Problem } from "../problem.ts";
import type { Config } from "./config.ts";
import { keys } from "./keys.ts";
import { parseAlarms } from "./parse-alarms.ts";
import { parseChecks } from "./parse-check.ts";
import { parseDnssec } from "./parse-dnssec.ts";
import { parseDrills } from "./parse-drill.ts";
import { parseInvariants } from "./parse-invariant.ts";
import { type NodeDefaults, parseGeo, parseNode, parsePaths } from "./parse-node.ts";
import { parseRegions, parseVantages } from "./parse-place.ts";
import { PolicyParser } from "./parse-policy.ts";
import { parsePools } from "./parse-pool.ts";
import { parseAcme, parseKeys } from "./parse-request.ts";
import { parseSafety } from "./parse-safety.ts";
import { declaredServices, parseServices } from "./parse-service.ts";
import { parseTests, type RuleContext } from "./parse-test.ts";
import { parseTransfer } from "./parse-transfer.ts";
import { Problems, Reader } from "./read.ts";
import { readYaml } from "./yaml.ts";

/** What the file is checked against, and what stands for what it leaves out. */
export interface ConfigDefaults extends NodeDefaults {
  /** The codes of ISO 3166-1 alpha-2, upper case. */
  readonly countries: ReadonlySet<string>;
}

/**
 * Parses the text of a config file. Relative paths in it start at `folder`. The value is null where there is any
 * problem: a config is used as a whole or not at all.
 */
export function parseConfig(
  file: string,
  text: string,
  folder: string,
  defaults: ConfigDefaults,
): Checked<Config> {
  const yaml = readYaml(file, text);
  if (yaml.value === null) return { value: null, problems: inOrder(yaml.problems) };
  const problems = new Problems(file);
  const config = parseSections(new Reader(yaml.value, yaml.value, "", problems), file, folder, defaults);
  const all = [...yaml.problems, ...problems.all];
  return { value: all.length === 0 ? config : null, problems: inOrder(all) };
}

function parseSections(reader: Reader, file: string, folder: string, defaults: ConfigDefaults): Config {
  const top = reader.fields(keys.file);
  const regions = parseRegions(top.optional("regions"));
  const vantages = parseVantages(top.optional("vantages"));
  const checks = parseChecks(top.optional("checks"), vantages.size);
  const pools = parsePools(top.optional("pools"), { regions, checks, vantages });
  const members = new Map(
    [...pools.values()].flatMap((pool) => pool.members.map((member) => [member.id, member])),
  );
  const named = top.optional("policies")?.named() ?? [];
  const policies = new PolicyParser(named, { regions, pools, members, countries: defaults.countries });
  const namedPolicies = policies.parseNamed();
  const services = parseServices(top.optional("services"), { file, pools, policies });
  const declared = declaredServices(top.optional("services"));
  const rules: RuleContext = { file, services, declared, regions, members, countries: defaults.countries };
  const tsigKeys = parseKeys(top.optional("keys"), file, folder);
  return {
    file,
    node: parseNode(top.optional("node"), folder, defaults),
    geo: parseGeo(top.optional("geo"), folder),
    zones: parsePaths(top.optional("zones"), folder),
    dnssec: parseDnssec(top.optional("dnssec"), file),
    regions,
    vantages,
    checks,
    pools,
    members,
    policies: namedPolicies,
    services,
    tests: parseTests(top.optional("tests"), rules),
    invariants: parseInvariants(top.optional("invariants"), rules),
    drills: parseDrills(top.optional("drills"), { ...rules, vantages }),
    keys: tsigKeys,
    acme: parseAcme(top.optional("acme"), file, tsigKeys),
    transfer: parseTransfer(top.optional("transfer"), file, tsigKeys),
    safety: parseSafety(top.optional("safety"), rules),
    alarms: parseAlarms(top.optional("alarms"), { ...rules, folder }),
  };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
}
