/** The commands about what a node keeps beside its files: the record, tokens and keys. */

import { type Command, Option } from "commander";
import { config } from "./command-options.ts";

/** Adds them to `meridian`. */
export function addKeys(program: Command): void {
  addAudit(program);
  addTokens(program);
  addZoneKeys(program);
  addSharedKeys(program);
}

function addAudit(program: Command): void {
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
    .action(async (options) => (await import("./audit.ts")).verifyAudit(options));
}

function addTokens(program: Command): void {
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
    .action(async (name, options) => (await import("./token.ts")).addToken(name, options));
  token
    .command("list")
    .addOption(config)
    .option("--json", "print data")
    .action(async (options) => (await import("./token.ts")).listTokens(options));
  token
    .command("remove")
    .alias("revoke")
    .argument("<name>")
    .addOption(config)
    .action(async (name, options) => (await import("./token.ts")).removeToken(name, options));
}

function addZoneKeys(program: Command): void {
  const key = program.command("key").description("make, list, roll and remove the keys of signed zones");
  key
    .command("add")
    .argument("<zone>", "name of a zone under dnssec in the config")
    .addOption(config)
    .option("--algorithm <algorithm>", "ecdsap256sha256 or ed25519; else the one in the config")
    .action(async (zone, options) => (await import("./key.ts")).addKey(zone, options));
  key
    .command("list")
    .addOption(config)
    .action(async (options) => (await import("./key.ts")).listKeys(options));
  key
    .command("remove")
    .argument("<zone>")
    .argument("<tag>", "key tag, as list shows it")
    .addOption(config)
    .action(async (zone, tag, options) => (await import("./key.ts")).dropKey(zone, tag, options));
  key
    .command("roll")
    .description("put a new key in the place of the one that signs, step by step")
    .argument("<zone>")
    .addOption(config)
    .action(async (zone, options) => (await import("./rollover.ts")).rollKey(zone, options));
  key
    .command("cancel")
    .description("turn a rollover round, back to the old key")
    .argument("<zone>")
    .addOption(config)
    .action(async (zone, options) => (await import("./rollover.ts")).cancelRollover(zone, options));
  key
    .command("seen")
    .description("say that the parent has the DS of a key, where the node cannot look")
    .argument("<zone>")
    .argument("<tag>", "tag of the key that comes")
    .addOption(config)
    .action(async (zone, tag, options) => (await import("./rollover.ts")).sawDs(zone, tag, options));
  program
    .command("ds")
    .description("print the DS RRs that the parent of a signed zone must have")
    .argument("<zone>", "name of a zone under dnssec in the config")
    .addOption(config)
    .action(async (zone, options) => (await import("./ds.ts")).printDs(zone, options));
}

function addSharedKeys(program: Command): void {
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
    .action(async (name, options) => (await import("./tsig.ts")).addKey(name, options));
}
