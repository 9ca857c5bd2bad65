#!/usr/bin/env node
/** The command `meridian`: what runs here, then what operators ask for (`command/*-commands.ts`). */

import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { ca, clearText, config, pin } from "./command/command-options.ts";
import { addDrills } from "./command/drill-commands.ts";
import { addFiles } from "./command/file-commands.ts";
import { addKeys } from "./command/key-commands.ts";
import { addOrders } from "./command/order-commands.ts";
import { addQuestions } from "./command/question-commands.ts";
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

program
  .command("serve")
  .description("answer DNS queries: one node, with its control process")
  .addOption(config)
  .option(
    "--state <dir>",
    "state folder to look into when the config cannot be read (default: that of systemd, or <config>/var)",
  )
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

addQuestions(program);
addOrders(program);
addDrills(program);
addFiles(program);
addKeys(program);

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
