/** The commands that rehearse failures. */

import { type Command, Option } from "commander";
import { asking, why } from "./command-options.ts";

/** Adds them to `meridian`. */
export function addDrills(program: Command): void {
  const drill = program
    .command("drill")
    .description("rehearse failures, and measure what clients see of them");
  describing(drill.command("run"))
    .description("begin a drill, and print what happens until all is as before")
    .addOption(why)
    .option("--no-wait", "do not wait for its end")
    .action(async (name, options) => (await import("./drill.ts")).runDrill(name ?? null, options));
  describing(drill.command("rehearse"))
    .description("say what a drill would do; nothing changes")
    .action(async (name, options) => (await import("./drill.ts")).rehearseDrill(name ?? null, options));
  asking(drill.command("list"))
    .option("--json", "print data")
    .action(async (options) => (await import("./drill.ts")).listDrills(options));
  asking(drill.command("show"))
    .argument("<id>", "a drill that was begun")
    .option("--json", "print data")
    .action(async (id, options) => (await import("./drill.ts")).showDrill(id, options));
  asking(drill.command("report"))
    .description("show what a drill has shown: where the time went, for each agent's resolver")
    .argument("<id>", "a drill that was begun")
    .addOption(
      new Option("--format <format>", "its form")
        .choices(["markdown", "json", "html", "junit"])
        .default("markdown"),
    )
    .action(async (id, options) => (await import("./drill-report.ts")).printReport(id, options));
  asking(drill.command("compare"))
    .description("show two drills side by side")
    .argument("<id>", "a drill that was begun")
    .argument("<other>", "another, such as the one before")
    .option("--json", "print data")
    .action(async (id, other, options) =>
      (await import("./drill-report.ts")).compareDrills(id, other, options),
    );
  asking(drill.command("abort"))
    .description("end a drill before its time, and put everything back")
    .argument("<id>", "a drill that was begun")
    .addOption(why)
    .action(async (id, options) => (await import("./drill.ts")).abortDrill(id, options));
}

/** What describes a drill that is not in the config. */
function describing(command: Command): Command {
  return asking(command)
    .argument("[name]", "a drill of the config; else the options describe one")
    .option("--mode <mode>", "drain, dead, cut or weight")
    .option(
      "--target <target>",
      "region:NAME, member:POOL/MEMBER, vip:POOL/MEMBER/ipv4 or vantages:NAME,NAME",
    )
    .option("--duration <duration>", "how long it lasts, as in 2m")
    .option("--weight <number>", "with mode weight")
    .option("--by <vantage...>", "with mode dead: who reports it; else all")
    .option("--service <name...>", "services that are watched; else all with the target")
    .option("--to <selection...>", "who alone should answer in its place")
    .option("--within <duration>", "how soon the last client should have its new answer")
    .option("--json", "print data");
}
