/** PROCESS control: config, facts, changes and the API. Answers do not need it; dns starts it again when it dies. */

import { flushCompileCache } from "node:module";
import type { ToControl, ToDns } from "./book/messages.ts";
import { startApi } from "./control/api/server.ts";
import { explainTxt } from "./control/explain-txt.ts";
import { onLongWork } from "./control/in-turns.ts";
import { openLocalSocket } from "./control/local-socket.ts";
import { openDesk } from "./control/open-desk.ts";
import { Publisher } from "./control/publish.ts";
import { Requests } from "./control/requests.ts";
import { newLog } from "./telemetry/log.ts";

const log = newLog("control");
const [configFolder, stateFolder] = process.argv.slice(2);

if (configFolder === undefined || stateFolder === undefined || process.send === undefined) {
  log.fatal("control is started by dns, with the config and state folders as arguments");
  process.exit(2);
}

const send = (message: ToDns): void => void process.send?.(message, undefined, undefined, () => undefined);
const publisher = new Publisher({
  folder: stateFolder,
  send,
  onError: (cause) => log.error({ cause: String(cause) }, "the book on disk is behind the one in force"),
});
onLongWork(() => publisher.makeRoom());
// Until there is a desk the files are about to be read, or looked at every five seconds.
let reload: () => void = () => undefined;
let stop: () => Promise<void> = async () => undefined;

// Dns forwards requests only to a control that is ready.
let requests: Requests | null = null;

process.on("message", (message: ToControl) => {
  switch (message.kind) {
    case "request":
    case "explain":
    case "next":
    case "gone":
      requests?.receive(message);
      break;
    case "reload":
      reload();
      break;
    default:
      publisher.receive(message);
  }
});
// Without dns there is nobody to publish for; the next dns starts its own control.
process.on("disconnect", () => process.exit(0));
// Ctrl-C and a terminal that is closed reach the whole process group; dns is the one to say what to do.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => undefined);
process.on("SIGTERM", () => {
  stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});

const desk = await openDesk({
  configFolder,
  stateFolder,
  publisher,
  nowMs: Date.now,
  elapsedMs: () => performance.now(),
  log,
});
stop = () => desk.close();
reload = () => desk.reload();
const local = openLocalSocket(stateFolder, desk, log);
const api = await startApi(desk, desk.snapshot().config.node, log);
stop = async () => {
  local.close();
  await api.close();
  await desk.close();
};
requests = new Requests({
  reply: (request) => desk.reply(request),
  explain: (octets, source) => explainTxt(octets, source, desk),
  send,
  onError: (cause) => log.error({ cause: String(cause) }, "a request got no reply"),
});
send({ kind: "ready" });
// Kept now and not at the end, so that the next control starts as fast when this one is killed.
flushCompileCache();
