/** `meridian local`: break-glass, on the node of this machine. */

import { once } from "node:events";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { json } from "node:stream/consumers";
import { parseDuration } from "../config/units.ts";
import { type LocalOrder, type LocalReply, localSocketPath } from "../control/local-socket.ts";
import { messageOf } from "../problem.ts";
import { complain, print } from "./console.ts";
import { readConfig } from "./node.ts";

/** Has the node of a state folder do something, and says what became of it; ends with status 1 when it was not done. */
export async function orderLocally(
  verb: LocalOrder["verb"],
  target: string,
  options: {
    readonly reason: string;
    readonly config: string;
    readonly state?: string;
    readonly for?: string;
    readonly force?: boolean;
    readonly json?: boolean;
  },
): Promise<void> {
  const { reason, force = false } = options;
  const forMs = options.for === undefined ? null : parseDuration(options.for);
  if (options.for !== undefined && (forMs ?? 0) <= 0) {
    complain(`--for ${options.for}: expected a duration, as in 2h`);
    return;
  }
  const folder = options.state ?? readConfig(options.config)?.node.stateFolder;
  if (folder === undefined) return;
  const path = localSocketPath(folder);
  try {
    const reply = await send(path, { verb, target, user: userName(), reason, forMs, force });
    if (options.json === true) print(JSON.stringify(reply, null, 2));
    say(reply, `${verb} ${target}`, options.json === true);
  } catch (cause) {
    complain(
      `Cannot ask the node by ${path}: ${messageOf(cause)}; is one running with this state folder, as this user?`,
    );
  }
}

function say(reply: LocalReply, what: string, isSaid: boolean): void {
  if (reply.kind === "refused") for (const problem of reply.problems) complain(problem);
  else if (!isSaid) {
    print(`${what} is in force, as version ${reply.version}`);
    if (reply.unrecorded !== null)
      print(`it will be on record as soon as the store can be written: ${reply.unrecorded}`);
  }
}

async function send(path: string, order: LocalOrder): Promise<LocalReply> {
  const socket = connect(path);
  await once(socket, "connect");
  socket.end(JSON.stringify(order));
  return (await json(socket)) as LocalReply;
}

/** Who is at the keyboard, also behind sudo. */
function userName(): string {
  return process.env["SUDO_USER"] ?? userInfo().username;
}
