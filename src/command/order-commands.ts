/** The commands that order something of a node: overrides, and what machines tell it. */

import type { Command } from "commander";
import { asking, config, forcing, why } from "./command-options.ts";
import type { OrderOptions, Verb } from "./override.ts";

/** Adds them to `meridian`. */
export function addOrders(program: Command): void {
  addOverrides(program);
  addSteps(program);
  addMessages(program);
  addLocal(program);
}

function addOverrides(program: Command): void {
  const overriding = (verb: Verb, what: string, name?: string) => override(program.command(verb), what, name);
  const ordered = async (verb: Verb, name: string, weight: number | null, options: OrderOptions) =>
    (await import("./override.ts")).order(verb, name, weight, options);
  overriding("drain", "use it only when nothing else is up", "a region or a member (pool/member)")
    .option("--ramp <duration>", "over how long its clients leave, as in 5m")
    .action((name, options) => ordered("drain", name, null, options));
  overriding("weight", "give it another weight", "a region, a member (pool/member) or a choice")
    .argument("<number>", "0 or more; 0: only when nothing else is up", Number)
    .option("--choice", "the name is that of a choice: policy/choice, or service/choice")
    .action((name, weight, options) => ordered("weight", name, weight, options));
  for (const [verb, what] of [
    ["force-up", "take it for up, whatever vantages see"],
    ["force-down", "take it for down, whatever vantages see"],
    ["freeze", "leave its verdicts as they are, whatever vantages see"],
  ] as const)
    overriding(verb, what).action((name, options) => ordered(verb, name, null, options));
  asking(program.command("end"))
    .description("end an override")
    .argument("<id>", "as get overrides shows it")
    .addOption(why)
    .addOption(forcing)
    .option("--json", "print the API's answer as it is")
    .action(async (id, options) => (await import("./override.ts")).endOverride(id, options));
}

/** A command that sets an override. */
function override(
  command: Command,
  what: string,
  name = "a region, a member (pool/member) or a VIP (pool/member/ipv4)",
): Command {
  return asking(command)
    .description(what)
    .argument("<name>", name)
    .addOption(why)
    .option("--for <duration>", "end it by itself after so long, as in 2h")
    .addOption(forcing)
    .option("--json", "print the API's answer as it is");
}

/** What decides about a change that has been ordered and is not whole yet. */
function addSteps(program: Command): void {
  const stage = program
    .command("stage")
    .description("hold or go on with a change that takes effect in steps");
  for (const [verb, what] of [
    ["pause", "leave it at the step that it is at"],
    ["resume", "go on"],
    ["abort", "take back what it has done"],
  ] as const)
    asking(stage.command(verb))
      .description(what)
      .argument("<id>", "the override, as get overrides shows it")
      .addOption(why)
      .option("--json", "print the API's answer as it is")
      .action(async (id, options) => (await import("./override.ts")).stage(verb, id, options));
  for (const verb of ["approve", "withdraw"] as const)
    asking(program.command(verb))
      .description(`${verb} a change that waits for a second person`)
      .argument("<id>", "as get proposals shows it")
      .addOption(why)
      .option("--json", "print the API's answer as it is")
      .action(async (id, options) => (await import("./override.ts")).decide(verb, id, options));
}

/** What a node is told of the world: challenges, traffic as others see it, and that a VIP is well again. */
function addMessages(program: Command): void {
  const challenge = program
    .command("challenge")
    .description("answer challenges of certificate authorities, without an edit of any zone");
  asking(challenge.command("set"))
    .argument("<name>", "the name that is to be certified")
    .argument("<value>")
    .option("--for <duration>", "how long; else as the config says")
    .action(async (name, value, options) =>
      (await import("./challenge.ts")).setChallenge(name, value, options),
    );
  asking(challenge.command("end"))
    .argument("<name>")
    .argument("<value>")
    .action(async (name, value, options) =>
      (await import("./challenge.ts")).endChallenge(name, value, options),
    );

  const sending = program
    .command("send")
    .description("tell a node what machines know, as JSON from a file or standard input");
  for (const [what, meaning] of [
    ["signals", "errors and loads of members, as others see them"],
    ["observations", "round-trip times of clients"],
  ] as const)
    asking(sending.command(what))
      .description(meaning)
      .argument("[file]")
      .action(async (file, options) => (await import("./send.ts")).send(what, file ?? null, options));

  asking(program.command("release"))
    .description("bring up what is healthy and held down")
    .argument("<name>", "a region, a member (pool/member) or a VIP (pool/member/ipv4)")
    .addOption(why)
    .action(async (name, options) => (await import("./release.ts")).release(name, options));
}

/** What works without the API: an operator at the machine, when all else is broken. */
function addLocal(program: Command): void {
  const local = program
    .command("local")
    .description("break-glass: drain and force on the node of this machine, without its API and its store");
  for (const [verb, what] of [
    ["drain", "send clients elsewhere"],
    ["force-up", "take it for up, whatever probes say"],
    ["force-down", "take it for down, whatever probes say"],
  ] as const)
    ordering(local.command(verb))
      .description(what)
      .option("--for <duration>", "end it by itself after so long, as in 2h")
      .action(async (name, options) => (await import("./local.ts")).orderLocally(verb, name, options));
  for (const [verb, what] of [
    ["undrain", "end a drain"],
    ["unforce", "end what was forced"],
  ] as const)
    ordering(local.command(verb))
      .description(what)
      .action(async (name, options) => (await import("./local.ts")).orderLocally(verb, name, options));
}

/** A command that orders something of the node of this machine. */
function ordering(command: Command): Command {
  return command
    .argument("<name>", "a region, a member (pool/member) or, to force it, a VIP (pool/member/ipv4)")
    .addOption(why)
    .addOption(config)
    .option("--state <dir>", "state folder of the node, in place of the one that the config names")
    .addOption(forcing)
    .option("--json", "print data");
}
