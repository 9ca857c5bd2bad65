/** Options that several commands of `meridian` take. */

import { type Command, Option } from "commander";

/** Where the node of this machine is declared. */
export const config: Option = new Option("--config <dir>", "folder with meridian.yaml").default(".");
export const supposing: Option = new Option(
  "--if <fact>",
  "suppose down:TARGET, up:TARGET, down:TARGET@VANTAGE, drain:TARGET, undrain:TARGET, weight:TARGET=N or rtt:REGION=MS; again for more",
)
  .argParser((fact: string, before: readonly string[]) => [...before, fact])
  .default([]);
export const ca: Option = new Option(
  "--ca <file>",
  "certificates that must vouch for the node's, in place of the usual ones",
).env("MERIDIAN_CA");
export const pin: Option = new Option(
  "--pin <pin>",
  "sha256/BASE64 of the node's key, as check prints it; again, or with commas, for more",
)
  .env("MERIDIAN_PIN")
  .argParser((pins: string, before: readonly string[] = []) => [...before, ...pins.split(",")]);
export const clearText: Option = new Option(
  "--clear-text",
  "send the token without TLS, to another machine too: only where the network encrypts",
);
export const why: Option = new Option(
  "--reason <text>",
  "why; it goes to the audit list",
).makeOptionMandatory();
export const forcing: Option = new Option("--force", "also if that breaks rules; the audit list says which");

/** A command that asks a node, with all that it takes to find, trust and satisfy one. */
export function asking(command: Command): Command {
  const api = new Option("--api <url>", "API of the node").default(
    process.env["MERIDIAN_API"] ?? "http://127.0.0.1:8053",
  );
  const tokenFile = new Option("--token-file <file>", "file with a token; else the variable MERIDIAN_TOKEN");
  for (const option of [api, tokenFile, ca, pin, clearText]) command.addOption(option);
  return command;
}
