/** `meridian agent`: probes from one vantage. */

import { readFileSync } from "node:fs";
import { runAgent } from "../agent.ts";
import { newLog } from "../telemetry/log.ts";
import { complain } from "./console.ts";
import { untilStopped } from "./stop.ts";

/** Runs an agent until it is told to stop. */
export async function agent(options: {
  readonly node: readonly string[];
  readonly tokenFile: string;
  readonly vantage: string;
}): Promise<void> {
  const token = readToken(options.tokenFile);
  if (token === null) return;
  const log = newLog(`agent ${options.vantage}`);
  const running = await runAgent({ nodes: options.node, token, vantage: options.vantage, log });
  await untilStopped();
  await running.stop();
}

/** The token in a file, without the white space around it; null, and a complaint, when there is none. */
export function readToken(file: string): string | null {
  try {
    const token = readFileSync(file, "utf8").trim();
    if (token !== "") return token;
    complain(`Cannot use token file ${file}: it is empty`);
  } catch (cause) {
    complain(`Cannot read token file ${file}: ${String(cause)}`);
  }
  return null;
}
