/** `meridian agent`: probes from one vantage. */

import { getServers } from "node:dns";
import { type Agent, runAgent } from "../agent.ts";
import type { Endpoint } from "../config/node.ts";
import { parseDnsServer } from "../config/units.ts";
import { parseTrust, type TrustOptions } from "../probe/trust.ts";
import { messageOf } from "../problem.ts";
import { newLog } from "../telemetry/log.ts";
import { complain } from "./console.ts";
import { untilStopped } from "./stop.ts";
import { readToken } from "./token-file.ts";

interface Options extends TrustOptions {
  readonly node: readonly string[];
  readonly vantage: string;
  readonly resolver?: string;
}

/** Runs an agent until it is told to stop. */
export async function agent(options: Options & { readonly tokenFile: string }): Promise<void> {
  const token = readToken(options.tokenFile);
  if (token === null) return;
  const running = await start(options, token);
  if (running === null) return;
  await untilStopped();
  await running.stop();
}

/** null, and a complaint, when an option cannot be used. */
async function start(options: Options, token: string): Promise<Agent | null> {
  const { node, vantage } = options;
  try {
    const trust = parseTrust(options);
    const resolver = options.resolver === undefined ? systemResolver() : parseResolver(options.resolver);
    return await runAgent({ nodes: node, trust, token, vantage, resolver, log: newLog(`agent ${vantage}`) });
  } catch (cause) {
    complain(messageOf(cause));
    return null;
  }
}

/** The first that the system asks; null: it has none. */
function systemResolver(): Endpoint | null {
  const [first] = getServers();
  return first === undefined ? null : parseDnsServer(first);
}

function parseResolver(text: string): Endpoint {
  const resolver = parseDnsServer(text);
  if (resolver !== null) return resolver;
  throw new Error(
    `Cannot use resolver "${text}": expected an address such as 192.0.2.53, or 192.0.2.53:5353`,
  );
}
