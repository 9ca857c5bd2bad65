#!/usr/bin/env node
/** The command `meridian`: one line for each thing an operator can ask for. */

import { Command, Option } from "commander";
import { agent } from "./command/agent.ts";
import { check } from "./command/check.ts";
import { demoRegion } from "./command/demo-region.ts";
import { explain } from "./command/explain.ts";
import { serve } from "./command/serve.ts";
import { addToken, listTokens, removeToken } from "./command/token.ts";
import { demo } from "./demo/demo.ts";

const program = new Command("meridian")
  .description("A global server load balancer: authoritative DNS that answers with the right region")
  .version("0.1.0");

const config = new Option("--config <dir>", "folder with meridian.yaml").default(".");

program
  .command("serve")
  .description("answer DNS queries: one node, with its control process")
  .addOption(config)
  .action(serve);

program
  .command("agent")
  .description("probe every VIP from one vantage and tell the nodes")
  .requiredOption("--node <url...>", "API of each node, as in https://dns1.example:8053")
  .requiredOption("--token-file <file>", "file with the token of this vantage")
  .requiredOption("--vantage <name>", "name of this vantage in the nodes' config")
  .action(agent);

program
  .command("check")
  .description("check a configuration and print the failover bound of each service")
  .argument("[dir]", "folder with meridian.yaml", ".")
  .action(check);

program
  .command("explain")
  .description("say why a client gets the answer it gets")
  .argument("<name>", "owner name of a service")
  .requiredOption("--client <address>", "the client's address")
  .option("--type <type>", "A, AAAA or HTTPS", "A")
  .option("--api <url>", "API of the node", process.env["MERIDIAN_API"] ?? "http://127.0.0.1:8053")
  .option("--token-file <file>", "file with a token; else the variable MERIDIAN_TOKEN")
  .option("--json", "print the API's answer as it is")
  .action(explain);

const token = program.command("token").description("make, list and remove tokens of a node");
token
  .command("add")
  .argument("<name>", "who the token is for; audit entries carry this name")
  .addOption(config)
  .addOption(new Option("--role <role>").choices(["admin", "reader", "agent"]).default("admin"))
  .option("--vantage <name>", "with role agent: the only vantage it may speak for")
  .action(addToken);
token.command("list").addOption(config).action(listTokens);
token.command("remove").argument("<name>").addOption(config).action(removeToken);

program
  .command("demo")
  .description("run a node, three agents and three regions on this machine")
  .addOption(config)
  .action(demo);
program
  .command("demo-region")
  .description("run one of the demo's regions, after it was killed")
  .argument("<region>")
  .addOption(config)
  .action(demoRegion);

await program.parseAsync();
