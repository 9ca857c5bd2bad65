#!/usr/bin/env node
/** The command `meridian`: one line for each thing an operator can ask for. */

import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import type { OrderOptions, Verb } from "./command/override.ts";
import { version } from "./version.ts";

// Stripping types and compiling takes more than half of a start, so the outcome is kept, for the processes started by
// this one too. It stands beside the packages because whoever can write there owns the code anyway.
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("../node_modules/.cache/meridian", import.meta.url),
);
enableCompileCache(process.env["NODE_COMPILE_CACHE"]);

// Commands are imported when they are asked for: each process of a node loads only what it runs.
const program = new Command("meridian")
  .description("A global server load balancer: authoritative DNS that answers with the right region")
  .version(version);

const config = new Option("--config <dir>", "folder with meridian.yaml").default(".");
const supposing = new Option(
  "--if <fact>",
  "suppose down:TARGET, up:TARGET, down:TARGET@VANTAGE, drain:TARGET, undrain:TARGET, weight:TARGET=N or rtt:REGION=MS; again for more",
)
  .argParser((fact: string, before: readonly string[]) => [...before, fact])
  .default([]);
const ca = new Option(
  "--ca <file>",
  "certificates that must vouch for the node's, in place of the usual ones",
).env("MERIDIAN_CA");
const pin = new Option(
  "--pin <pin>",
  "sha256/BASE64 of the node's key, as check prints it; again, or with commas, for more",
)
  .env("MERIDIAN_PIN")
  .argParser((pins: string, before: readonly string[] = []) => [...before, ...pins.split(",")]);
const clearText = new Option(
  "--clear-text",
  "send the token without TLS, to another machine too: only where the network encrypts",
);
const why = new Option("--reason <text>", "why; it goes to the audit list").makeOptionMandatory();
const forcing = new Option("--force", "also if that breaks rules; the audit list says which");

/** A command that asks a node, with all that it takes to find, trust and satisfy one. */
function asking(command: Command): Command {
  const api = new Option("--api <url>", "API of the node").default(
    process.env["MERIDIAN_API"] ?? "http://127.0.0.1:8053",
  );
  const tokenFile = new Option("--token-file <file>", "file with a token; else the variable MERIDIAN_TOKEN");
  for (const option of [api, tokenFile, ca, pin, clearText]) command.addOption(option);
  return command;
}

program
  .command("serve")
  .description("answer DNS queries: one node, with its control process")
  .addOption(config)
  .option("--state <dir>", "state folder to look into when the config cannot be read (default: <config>/var)")
  .action(async (options) => (await import("./command/serve.ts")).serve(options));

program
  .command("reload")
  .description("have a running node read its files now, rather than when it notices that they have changed")
  .addOption(config)
  .action(async (options) => (await import("./command/reload.ts")).reload(options));

program
  .command("upgrade")
  .description("replace a running node by the code on disk, without losing a query")
  .addOption(config)
  .action(async (options) => (await import("./command/upgrade.ts")).upgrade(options));

program
  .command("agent")
  .description("probe every VIP from one vantage and tell the nodes")
  .requiredOption("--node <url...>", "API of each node, as in https://dns1.example:8053")
  .requiredOption("--token-file <file>", "file with the token of this vantage")
  .requiredOption("--vantage <name>", "name of this vantage in the nodes' config")
  .option("--resolver <address[:port]>", "what to watch through in drills; else the system's first resolver")
  .addOption(ca)
  .addOption(pin)
  .addOption(clearText)
  .action(async (options) => (await import("./command/agent.ts")).agent(options));

program
  .command("check")
  .description("check a configuration and print the failover bound of each service")
  .argument("[dir]", "folder with meridian.yaml", ".")
  .action(async (folder) => (await import("./command/check.ts")).check(folder));

asking(program.command("explain"))
  .description("say why a client gets the answer it gets")
  .argument("<name>", "owner name of a service")
  .option("--client <address>", "the client's address, or its subnet as its resolver sends it (ECS)")
  .option("--resolver <address>", "its resolver's address: alone, where that sends nothing of its clients")
  .option("--at <time>", "a past time, or a duration before now as in -10m")
  .addOption(supposing)
  .option("--type <type>", "A, AAAA or HTTPS", "A")
  .option("--json", "print the API's answer as it is")
  .action(async (name, options) => (await import("./command/explain.ts")).explain(name, options));

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
  .action(async (resource, id, options) =>
    (await import("./command/get.ts")).get(resource, id ?? null, options),
  );

asking(program.command("top"))
  .description("show a node as it is now: what is down and why, shares, bounds, vantages, drills, alarms")
  .option("--once", "print it once, without a terminal")
  .action(async (options) => (await import("./command/top.ts")).top(options));

asking(program.command("rtt"))
  .description("show in which order latency policies have the regions, and why")
  .option("--cell <text>", "only cells whose text begins so, as in GB")
  .option("--json", "print data")
  .action(async (options) => (await import("./command/rtt.ts")).rtt(options));

asking(program.command("simulate"))
  .description("say what a change would do to the traffic that there was; nothing is changed")
  .argument("[dir]", "folder with a meridian.yaml to try; else the one that runs")
  .addOption(supposing)
  .option("--since <duration>", "replay what was recorded so long ago, and later", "1h")
  .option("--even", "replay as many queries from each country, in place of what was recorded")
  .option("--json", "print the API's answer as it is")
  .action(async (folder, options) =>
    (await import("./command/simulate.ts")).simulate(folder ?? null, options),
  );

asking(program.command("capacity"))
  .description("show what each region's death would put on the others")
  .option("--json", "print data")
  .action(async (options) => (await import("./command/capacity.ts")).capacity(options));

/** A command that sets an override. */
function overriding(
  verb: Verb,
  what: string,
  name = "a region, a member (pool/member) or a VIP (pool/member/ipv4)",
): Command {
  return asking(program.command(verb))
    .description(what)
    .argument("<name>", name)
    .addOption(why)
    .option("--for <duration>", "end it by itself after so long, as in 2h")
    .addOption(forcing)
    .option("--json", "print the API's answer as it is");
}
const ordered = async (verb: Verb, name: string, weight: number | null, options: OrderOptions) =>
  (await import("./command/override.ts")).order(verb, name, weight, options);
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
  .action(async (id, options) => (await import("./command/override.ts")).endOverride(id, options));
const stage = program.command("stage").description("hold or go on with a change that takes effect in steps");
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
    .action(async (id, options) => (await import("./command/override.ts")).stage(verb, id, options));
for (const verb of ["approve", "withdraw"] as const)
  asking(program.command(verb))
    .description(`${verb} a change that waits for a second person`)
    .argument("<id>", "as get proposals shows it")
    .addOption(why)
    .option("--json", "print the API's answer as it is")
    .action(async (id, options) => (await import("./command/override.ts")).decide(verb, id, options));

const challenge = program
  .command("challenge")
  .description("answer challenges of certificate authorities, without an edit of any zone");
asking(challenge.command("set"))
  .argument("<name>", "the name that is to be certified")
  .argument("<value>")
  .option("--for <duration>", "how long; else as the config says")
  .action(async (name, value, options) =>
    (await import("./command/challenge.ts")).setChallenge(name, value, options),
  );
asking(challenge.command("end"))
  .argument("<name>")
  .argument("<value>")
  .action(async (name, value, options) =>
    (await import("./command/challenge.ts")).endChallenge(name, value, options),
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
    .action(async (file, options) => (await import("./command/send.ts")).send(what, file ?? null, options));

asking(program.command("release"))
  .description("bring up what is healthy and held down")
  .argument("<name>", "a region, a member (pool/member) or a VIP (pool/member/ipv4)")
  .addOption(why)
  .action(async (name, options) => (await import("./command/release.ts")).release(name, options));

const alarm = program.command("alarm").description("show what is wrong, and who is told");
asking(alarm.command("list"))
  .description("list what is wrong now")
  .option("--json", "print data")
  .action(async (options) => (await import("./command/alarm.ts")).listAlarms(options));
asking(alarm.command("destinations"))
  .description("list who is told, and whether they can be reached")
  .option("--json", "print data")
  .action(async (options) => (await import("./command/alarm.ts")).listDestinations(options));
asking(alarm.command("test"))
  .description("send a test to a destination now")
  .argument("<destination>", "name of a destination in the config of the node")
  .option("--json", "print data")
  .action(async (name, options) => (await import("./command/alarm.ts")).testDestination(name, options));

const drill = program.command("drill").description("rehearse failures, and measure what clients see of them");
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
describing(drill.command("run"))
  .description("begin a drill, and print what happens until all is as before")
  .addOption(why)
  .option("--no-wait", "do not wait for its end")
  .action(async (name, options) => (await import("./command/drill.ts")).runDrill(name ?? null, options));
describing(drill.command("rehearse"))
  .description("say what a drill would do; nothing changes")
  .action(async (name, options) => (await import("./command/drill.ts")).rehearseDrill(name ?? null, options));
asking(drill.command("list"))
  .option("--json", "print data")
  .action(async (options) => (await import("./command/drill.ts")).listDrills(options));
asking(drill.command("show"))
  .argument("<id>", "a drill that was begun")
  .option("--json", "print data")
  .action(async (id, options) => (await import("./command/drill.ts")).showDrill(id, options));
asking(drill.command("report"))
  .description("show what a drill has shown: where the time went, for each agent's resolver")
  .argument("<id>", "a drill that was begun")
  .addOption(
    new Option("--format <format>", "its form")
      .choices(["markdown", "json", "html", "junit"])
      .default("markdown"),
  )
  .action(async (id, options) => (await import("./command/drill-report.ts")).printReport(id, options));
asking(drill.command("compare"))
  .description("show two drills side by side")
  .argument("<id>", "a drill that was begun")
  .argument("<other>", "another, such as the one before")
  .option("--json", "print data")
  .action(async (id, other, options) =>
    (await import("./command/drill-report.ts")).compareDrills(id, other, options),
  );
asking(drill.command("abort"))
  .description("end a drill before its time, and put everything back")
  .argument("<id>", "a drill that was begun")
  .addOption(why)
  .action(async (id, options) => (await import("./command/drill.ts")).abortDrill(id, options));

const local = program
  .command("local")
  .description("break-glass: drain and force on the node of this machine, without its API and its store");
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
for (const [verb, what] of [
  ["drain", "send clients elsewhere"],
  ["force-up", "take it for up, whatever probes say"],
  ["force-down", "take it for down, whatever probes say"],
] as const)
  ordering(local.command(verb))
    .description(what)
    .option("--for <duration>", "end it by itself after so long, as in 2h")
    .action(async (name, options) => (await import("./command/local.ts")).orderLocally(verb, name, options));
for (const [verb, what] of [
  ["undrain", "end a drain"],
  ["unforce", "end what was forced"],
] as const)
  ordering(local.command(verb))
    .description(what)
    .action(async (name, options) => (await import("./command/local.ts")).orderLocally(verb, name, options));

asking(program.command("history"))
  .description("show what changed of verdicts, orders of regions, overrides and files, when and why")
  .option("--vip <vip>", "only the verdicts on this VIP (pool/member/ipv4)")
  .option("--since <time>", "a time, or a duration before now", "-24h")
  .option("--json", "print data")
  .action(async (options) => (await import("./command/history.ts")).history(options));

const yes = new Option("--yes", "do not ask");
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
  .action(async (options) => (await import("./command/apply.ts")).apply(options));

asking(program.command("rollback"))
  .description(
    "put the files of a snapshot in force again; without a version those on disk, after a rollback",
  )
  .argument("[version]", "version, as snapshots list shows it")
  .addOption(why)
  .addOption(yes)
  .addOption(forcing)
  .option("--json", "print data")
  .action(async (version, options) =>
    (await import("./command/apply.ts")).rollBack(version ?? null, options),
  );

const snapshots = program
  .command("snapshots")
  .description("list and compare the sets of files that came into force");
asking(snapshots.command("list"))
  .option("--json", "print data")
  .action(async (options) => (await import("./command/snapshots.ts")).listSnapshots(options));
asking(snapshots.command("diff"))
  .argument("<from>", "version, as list shows it")
  .argument("<to>", "version")
  .option("--text", "print the difference of the files' texts, as diff -u does")
  .option("--json", "print data")
  .action(async (from, to, options) =>
    (await import("./command/snapshots.ts")).diffSnapshots(from, to, options),
  );

program
  .command("audit")
  .description("check what a node has on record")
  .command("verify")
  .description("find the first record that is not as it was written")
  .addOption(config)
  .option(
    "--state <dir>",
    "state folder of a node, or a copy of it, in place of the one that the config names",
  )
  .addOption(
    new Option("--head <hash>", "a head that was printed or logged before; again for more")
      .argParser((hash: string, before: readonly string[]) => [...before, hash])
      .default([]),
  )
  .option("--json", "print data")
  .action(async (options) => (await import("./command/audit.ts")).verifyAudit(options));

const token = program.command("token").description("make, list and remove tokens of a node");
token
  .command("add")
  .argument("<name>", "who the token is for; audit entries carry this name")
  .addOption(config)
  .addOption(
    new Option("--role <role>", "what it may do")
      .choices(["reader", "operator", "admin", "observer", "agent", "signals"])
      .default("admin"),
  )
  .option("--vantage <name>", "with role agent: the only vantage it may speak for")
  .option("--pool <name...>", "with role signals: the only pools it may speak of")
  .option("--zone <name...>", "with role operator: only names in these zones may move by it")
  .option("--service <name...>", "with role operator: only these services may move by it")
  .option("--expires <duration>", "how long it lasts, as in 90d (default: until it is removed)")
  .action(async (name, options) => (await import("./command/token.ts")).addToken(name, options));
token
  .command("list")
  .addOption(config)
  .option("--json", "print data")
  .action(async (options) => (await import("./command/token.ts")).listTokens(options));
token
  .command("remove")
  .alias("revoke")
  .argument("<name>")
  .addOption(config)
  .action(async (name, options) => (await import("./command/token.ts")).removeToken(name, options));

const key = program.command("key").description("make, list, roll and remove the keys of signed zones");
key
  .command("add")
  .argument("<zone>", "name of a zone under dnssec in the config")
  .addOption(config)
  .option("--algorithm <algorithm>", "ecdsap256sha256 or ed25519; else the one in the config")
  .action(async (zone, options) => (await import("./command/key.ts")).addKey(zone, options));
key
  .command("list")
  .addOption(config)
  .action(async (options) => (await import("./command/key.ts")).listKeys(options));
key
  .command("remove")
  .argument("<zone>")
  .argument("<tag>", "key tag, as list shows it")
  .addOption(config)
  .action(async (zone, tag, options) => (await import("./command/key.ts")).dropKey(zone, tag, options));
key
  .command("roll")
  .description("put a new key in the place of the one that signs, step by step")
  .argument("<zone>")
  .addOption(config)
  .action(async (zone, options) => (await import("./command/rollover.ts")).rollKey(zone, options));
key
  .command("cancel")
  .description("turn a rollover round, back to the old key")
  .argument("<zone>")
  .addOption(config)
  .action(async (zone, options) => (await import("./command/rollover.ts")).cancelRollover(zone, options));
key
  .command("seen")
  .description("say that the parent has the DS of a key, where the node cannot look")
  .argument("<zone>")
  .argument("<tag>", "tag of the key that comes")
  .addOption(config)
  .action(async (zone, tag, options) => (await import("./command/rollover.ts")).sawDs(zone, tag, options));
program
  .command("ds")
  .description("print the DS RRs that the parent of a signed zone must have")
  .argument("<zone>", "name of a zone under dnssec in the config")
  .addOption(config)
  .action(async (zone, options) => (await import("./command/ds.ts")).printDs(zone, options));

program
  .command("tsig")
  .description("make secrets of TSIG keys, for UPDATE and transfers")
  .command("add")
  .argument("<name>", "name of the key, the same on both sides")
  .addOption(config)
  .addOption(
    new Option("--algorithm <name>")
      .choices(["hmac-sha256", "hmac-sha384", "hmac-sha512"])
      .default("hmac-sha256"),
  )
  .action(async (name, options) => (await import("./command/tsig.ts")).addKey(name, options));

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
  .action(async (folder, options) => (await import("./command/import.ts")).importFromGdnsd(folder, options));
importing
  .command("octodns")
  .argument("<file>", "a zone of octoDNS's YAML provider")
  .requiredOption("--zone <name>", "name of the zone")
  .addOption(out)
  .action(async (file, options) => (await import("./command/import.ts")).importFromOctodns(file, options));
importing
  .command("route53")
  .argument("<file>", "a traffic policy document of Amazon Route 53")
  .requiredOption("--name <name>", "the name that the policy record has")
  .requiredOption("--zone <name>", "name of the zone that it is in")
  .option("--ttl <seconds>", "the TTL that it has", Number, 60)
  .option("--health-checks <file>", "what `aws route53 list-health-checks` prints")
  .addOption(out)
  .action(async (file, options) => (await import("./command/import.ts")).importFromRoute53(file, options));

program
  .command("demo")
  .description("run a node, three agents and three regions on this machine")
  .addOption(config)
  .action(async (options) => (await import("./demo/demo.ts")).demo(options));
program
  .command("demo-region")
  .description("run one of the demo's regions, after it was killed")
  .argument("<region>")
  .addOption(config)
  .action(async (region, options) => (await import("./command/demo-region.ts")).demoRegion(region, options));

await program.parseAsync();
