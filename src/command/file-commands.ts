/** The commands about what operators declare: files put in force, and translated from those of others. */

import { type Command, Option } from "commander";
import { asking, forcing, why } from "./command-options.ts";

const yes = new Option("--yes", "do not ask");

/** Adds them to `meridian`. */
export function addFiles(program: Command): void {
  addVersions(program);
  addImports(program);
}

function addVersions(program: Command): void {
  asking(program.command("apply"))
    .description(
      "put a folder's config, zones and labels in force on a node that takes them (node.source: api)",
    )
    .requiredOption("-f, --folder <dir>", "folder with meridian.yaml")
    .option("--reason <text>", "why; else the last commit of the git repository that the folder is in")
    .option("--plan-only", "only show what would change; ends with status 2 when something would")
    .addOption(yes)
    .addOption(forcing)
    .option("--json", "print data")
    .action(async (options) => (await import("./apply.ts")).apply(options));

  asking(program.command("rollback"))
    .description(
      "put the files of a snapshot in force again; without a version those on disk, after a rollback",
    )
    .argument("[version]", "version, as snapshots list shows it")
    .addOption(why)
    .addOption(yes)
    .addOption(forcing)
    .option("--json", "print data")
    .action(async (version, options) => (await import("./apply.ts")).rollBack(version ?? null, options));

  const snapshots = program
    .command("snapshots")
    .description("list and compare the sets of files that came into force");
  asking(snapshots.command("list"))
    .option("--json", "print data")
    .action(async (options) => (await import("./snapshots.ts")).listSnapshots(options));
  asking(snapshots.command("diff"))
    .argument("<from>", "version, as list shows it")
    .argument("<to>", "version")
    .option("--text", "print the difference of the files' texts, as diff -u does")
    .option("--json", "print data")
    .action(async (from, to, options) => (await import("./snapshots.ts")).diffSnapshots(from, to, options));
}

function addImports(program: Command): void {
  const importing = program
    .command("import")
    .description("translate another server's configuration, and report what does not go over as it was");
  const out = new Option(
    "--out <dir>",
    "folder to make, with meridian.yaml, zones and import-report.txt",
  ).makeOptionMandatory();
  importing
    .command("gdnsd")
    .argument("<dir>", "gdnsd's configuration folder")
    .addOption(out)
    .action(async (folder, options) => (await import("./import.ts")).importFromGdnsd(folder, options));
  importing
    .command("octodns")
    .argument("<file>", "a zone of octoDNS's YAML provider")
    .requiredOption("--zone <name>", "name of the zone")
    .addOption(out)
    .action(async (file, options) => (await import("./import.ts")).importFromOctodns(file, options));
  importing
    .command("route53")
    .argument("<file>", "a traffic policy document of Amazon Route 53")
    .requiredOption("--name <name>", "the name that the policy record has")
    .requiredOption("--zone <name>", "name of the zone that it is in")
    .option("--ttl <seconds>", "the TTL that it has", Number, 60)
    .option("--health-checks <file>", "what `aws route53 list-health-checks` prints")
    .addOption(out)
    .action(async (file, options) => (await import("./import.ts")).importFromRoute53(file, options));
}
