/** The commands that ask a node something, and change nothing. */

import { type Command, Option } from "commander";
import { asking, supposing } from "./command-options.ts";

/** Adds them to `meridian`. */
export function addQuestions(program: Command): void {
  addLooks(program);
  addAlarms(program);
}

function addLooks(program: Command): void {
  asking(program.command("explain"))
    .description("say why a client gets the answer it gets")
    .argument("<name>", "owner name of a service")
    .option("--client <address>", "the client's address, or its subnet as its resolver sends it (ECS)")
    .option("--resolver <address>", "its resolver's address: alone, where that sends nothing of its clients")
    .option("--at <time>", "a past time, or a duration before now as in -10m")
    .addOption(supposing)
    .option("--type <type>", "A, AAAA or HTTPS", "A")
    .option("--json", "print the API's answer as it is")
    .action(async (name, options) => (await import("./explain.ts")).explain(name, options));

  asking(program.command("get"))
    .description(
      "list what a node can be asked about, or show one of it: regions, verdicts, services and so on",
    )
    .argument("<resource>", "what, in the plural; a wrong word has them all listed")
    .argument("[id]", "one of them; the zone of rrsets, the service of plans")
    .addOption(
      new Option("--where <key=value>", "only those, as the API filters them; again for more")
        .argParser((filter: string, before: readonly string[]) => [...before, filter])
        .default([]),
    )
    .option("--json", "print data")
    .action(async (resource, id, options) => (await import("./get.ts")).get(resource, id ?? null, options));

  asking(program.command("top"))
    .description("show a node as it is now: what is down and why, shares, bounds, vantages, drills, alarms")
    .option("--once", "print it once, without a terminal")
    .action(async (options) => (await import("./top.ts")).top(options));

  asking(program.command("rtt"))
    .description("show in which order latency policies have the regions, and why")
    .option("--cell <text>", "only cells whose text begins so, as in GB")
    .option("--json", "print data")
    .action(async (options) => (await import("./rtt.ts")).rtt(options));

  asking(program.command("simulate"))
    .description("say what a change would do to the traffic that there was; nothing is changed")
    .argument("[dir]", "folder with a meridian.yaml to try; else the one that runs")
    .addOption(supposing)
    .option("--since <duration>", "replay what was recorded so long ago, and later", "1h")
    .option("--even", "replay as many queries from each country, in place of what was recorded")
    .option("--json", "print the API's answer as it is")
    .action(async (folder, options) => (await import("./simulate.ts")).simulate(folder ?? null, options));

  asking(program.command("capacity"))
    .description("show what each region's death would put on the others")
    .option("--json", "print data")
    .action(async (options) => (await import("./capacity.ts")).capacity(options));

  asking(program.command("history"))
    .description("show what changed of verdicts, orders of regions, overrides and files, when and why")
    .option("--vip <vip>", "only the verdicts on this VIP (pool/member/ipv4)")
    .option("--since <time>", "a time, or a duration before now", "-24h")
    .option("--json", "print data")
    .action(async (options) => (await import("./history.ts")).history(options));
}

function addAlarms(program: Command): void {
  const alarm = program.command("alarm").description("show what is wrong, and who is told");
  asking(alarm.command("list"))
    .description("list what is wrong now")
    .option("--json", "print data")
    .action(async (options) => (await import("./alarm.ts")).listAlarms(options));
  asking(alarm.command("destinations"))
    .description("list who is told, and whether they can be reached")
    .option("--json", "print data")
    .action(async (options) => (await import("./alarm.ts")).listDestinations(options));
  asking(alarm.command("test"))
    .description("send a test to a destination now")
    .argument("<destination>", "name of a destination in the config of the node")
    .option("--json", "print data")
    .action(async (name, options) => (await import("./alarm.ts")).testDestination(name, options));
}
