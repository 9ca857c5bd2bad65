/**
 * Break-glass: a socket in the state folder by which who may write there drains and forces, also while the store, the API's certificate
 * or its tokens are of no use.
 *
 * A client sends one `LocalOrder` as JSON, ends its side, and is sent one `LocalReply`. Who may connect is a matter of the file's mode,
 * 0600 in a folder of 0700: Node does not tell whose the other end of a socket is.
 */

import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Logger } from "pino";
import Type from "typebox";
import { Check } from "typebox/value";
import { messageOf } from "../problem.ts";
import type { ChangeOutcome, Edit } from "./change.ts";
import type { Desk } from "./desk.ts";
import { StoreUnavailable } from "./store-file.ts";

/** The name of the socket in the state folder. */
const SOCKET_FILE = "control.sock";

/** An order, and its reply, come within this. */
const ORDER_MS_MAX = 5_000;
const ORDER_LENGTH_MAX = 8_192;

const VERBS = ["drain", "undrain", "force-up", "force-down", "unforce"] as const;

/** What is to be done with a region, a member (`pool/member`) or a VIP (`pool/member/ipv4`). */
export interface LocalOrder {
  /** `undrain` and `unforce` end the override. */
  readonly verb: (typeof VERBS)[number];
  readonly target: string;
  /** Who orders it, by the name that this machine has for them. */
  readonly user: string;
  readonly reason: string;
  /** After so long it ends by itself; null: it does not. */
  readonly forMs: number | null;
  /** Whether it is done also against rules. */
  readonly force: boolean;
}

const orderSchema: Type.TUnsafe<LocalOrder> = Type.Unsafe<LocalOrder>(
  Type.Object(
    {
      verb: Type.Union(VERBS.map((verb) => Type.Literal(verb))),
      target: Type.String({ minLength: 1 }),
      user: Type.String({ minLength: 1 }),
      reason: Type.String(),
      forMs: Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()]),
      force: Type.Boolean(),
    },
    { additionalProperties: false },
  ),
);

/** What came of an order. */
export type LocalReply =
  /** In answers from now on. */
  | {
      readonly kind: "done";
      readonly version: number;
      /** What is wrong with the store, if it does not have it yet; null: it has it. */
      readonly unrecorded: string | null;
    }
  | { readonly kind: "refused"; readonly problems: readonly string[] };

/** Where the socket of a node is. */
export function localSocketPath(stateFolder: string): string {
  return join(stateFolder, SOCKET_FILE);
}

/** Listens until it is closed. Where it cannot, the log says so: nothing else is worse for it. */
export function openLocalSocket(stateFolder: string, desk: Desk, log: Logger): { close(): void } {
  const path = localSocketPath(stateFolder);
  const server = createServer({ allowHalfOpen: true }, (socket) => void serve(socket, desk, log));
  server.on("error", (cause) => {
    log.error({ cause: messageOf(cause) }, `no break-glass: cannot listen on ${path}`);
  });
  try {
    // What a control that was killed has left.
    rmSync(path, { force: true });
  } catch {
    // Who cannot listen there says what is in the way.
  }
  listenAsOwner(server, path);
  return server;
}

/** The file is made while this returns, and is nobody else's for not even a moment. */
function listenAsOwner(server: Server, path: string): void {
  const before = process.umask(0o177);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
}

async function serve(socket: Socket, desk: Desk, log: Logger): Promise<void> {
  socket.on("error", () => socket.destroy());
  socket.setTimeout(ORDER_MS_MAX, () => socket.destroy());
  try {
    const reply = await obey(await read(socket), desk);
    socket.end(JSON.stringify(reply));
  } catch (cause) {
    log.error({ cause: messageOf(cause) }, "an order by break-glass came to nothing");
    socket.destroy();
  }
}

async function read(socket: Socket): Promise<unknown> {
  socket.on("data", () => {
    if (socket.bytesRead > ORDER_LENGTH_MAX) socket.destroy(new Error("the order is too long"));
  });
  return JSON.parse(await text(socket.iterator({ destroyOnReturn: false })));
}

async function obey(order: unknown, desk: Desk): Promise<LocalReply> {
  if (!Check(orderSchema, order))
    return refused("expected an order of `meridian local`: is the command of another release?");
  const { user, reason, force } = order;
  const edit = editOf(order, desk);
  if (typeof edit === "string") return refused(edit);
  const author = `local:${user}`;
  const request = { author, reason, edit, ifVersion: null, force, breakGlass: true } as const;
  let outcome: ChangeOutcome;
  try {
    outcome = await desk.change(request);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return refused(error.message);
  }
  switch (outcome.kind) {
    case "published": {
      const { problem, unrecorded, isJournaled } = desk.status().store;
      if (unrecorded === 0) return { kind: "done", version: outcome.version, unrecorded: null };
      const why = problem?.message ?? "the store does not have it yet";
      const lost = isJournaled
        ? ""
        : "; the journal cannot be written either: a control that starts again forgets it";
      return { kind: "done", version: outcome.version, unrecorded: `${why}${lost}` };
    }
    case "refused":
      return { kind: "refused", problems: outcome.problems.map(({ message }) => message) };
    case "forbidden":
      return refused(outcome.why);
    case "proposed":
    case "tried":
      throw new Error(`break-glass came to "${outcome.kind}"`);
    case "conflict":
      return refused("another process has changed the store just now; repeat it");
  }
}

/** A string says why there is none. */
function editOf({ verb, target: id, forMs }: LocalOrder, desk: Desk): Edit | string {
  const untilMs = forMs === null ? null : desk.nowMs() + forMs;
  const by = TARGETS[id.split("/").length - 1] ?? "vip";
  switch (verb) {
    case "drain":
      if (by === "vip") return `drain: expected a region or a member, got ${id}`;
      return { kind: "set-override", action: { kind: "drain", target: { by, id } }, untilMs };
    case "force-up":
    case "force-down": {
      const verdict = verb === "force-up" ? "up" : "down";
      return { kind: "set-override", action: { kind: "force", target: { by, id }, verdict }, untilMs };
    }
    case "undrain":
    case "unforce":
      return { kind: "end-override", id: `${verb.slice(2)}:${by}:${id}` };
  }
}

/** What a name stands for, by its slashes. */
const TARGETS = ["region", "member", "vip"] as const;

function refused(problem: string): LocalReply {
  return { kind: "refused", problems: [problem] };
}
