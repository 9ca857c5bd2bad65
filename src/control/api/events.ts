/**
 * What happens, as it happens: server-sent events, which a client that was cut off resumes by the id of the last one it has.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */

import type { ServerResponse } from "node:http";
import type { Logger } from "pino";
import Type from "typebox";
import type { Desk } from "../desk.ts";
import type { EventCursor, LoggedEvent } from "../event-log.ts";
import type { TokenRecord } from "../store.ts";
import type { Api } from "./api.ts";
import { tokenOf } from "./auth.ts";
import { badRequest, Failure } from "./errors.ts";
import { HISTORY_KINDS } from "./history.ts";
import { errorBody, formatMoment, object, oneOf } from "./schemas.ts";

/** Everybody who reads along. */
const STREAMS_MAX = 100;

/** Of these one token has at most so many, so that it leaves places for others. */
const STREAMS_PER_TOKEN_MAX = 10;

/** So often each stream is given what is new. */
const LOOK_MS = 500;

/** At most so many events of each list at a time, and no more before a client has taken them. */
const EVENTS_AT_ONCE = 200;

/** After so many looks without an event a comment keeps proxies from closing the connection. */
const LOOKS_UNTIL_HEARTBEAT = 30;

/** A client that has taken nothing for so many looks is gone. */
const LOOKS_UNTIL_GONE = 120;

const kinds = [...HISTORY_KINDS, "audit"] as const;

const query = object({
  kind: Type.Optional(oneOf(kinds, "a kind of event; only such are sent")),
  lastEventId: Type.Optional(
    Type.String({ maxLength: 40, description: "as the header Last-Event-ID, which wins over it" }),
  ),
});

const headers = Type.Unsafe<{ "last-event-id"?: string }>(
  Type.Object({
    "last-event-id": Type.Optional(
      Type.String({
        maxLength: 40,
        description: "the id of the last event that was read; without it from now on",
      }),
    ),
  }),
);

const stream = {
  description: "Events, each with an id, its kind as its name, and JSON as its data.",
  content: { "text/event-stream": { schema: Type.String() } },
};

export function eventRoutes(app: Api, desk: Desk, log: Logger): void {
  const streams = new Set<EventStream>();
  const timer = setInterval(() => {
    for (const stream of streams) {
      try {
        stream.look();
      } catch (cause) {
        // The store cannot be read now: what is missed now is read when it can.
        log.debug({ cause: String(cause) }, "events are not read");
      }
    }
  }, LOOK_MS);
  timer.unref();
  app.addHook("preClose", async () => {
    clearInterval(timer);
    for (const stream of streams) stream.end();
  });

  app.get(
    "/v1/events",
    {
      config: { access: "reader" },
      exposeHeadRoute: false,
      schema: {
        summary: "What happens, as it happens: server-sent events",
        tags: ["events"],
        headers,
        querystring: query,
        response: { 200: stream, default: errorBody },
      },
    },
    async (request, reply) => {
      const last = request.headers["last-event-id"] ?? request.query.lastEventId;
      const cursor = last === undefined ? desk.events.end() : cursorOf(last);
      const token = tokenOf(request);
      if (streams.size >= STREAMS_MAX) throw tooMany(`${STREAMS_MAX} clients read events already`);
      const own = [...streams].filter((stream) => stream.token.id === token.id).length;
      if (own >= STREAMS_PER_TOKEN_MAX)
        throw tooMany(`${STREAMS_PER_TOKEN_MAX} clients read events with the token ${token.name} already`);
      reply.header("content-type", "text/event-stream").header("cache-control", "no-store");
      reply.header("x-accel-buffering", "no");
      reply.hijack();
      const response = reply.raw;
      // Who has gone while the token was looked at closes no stream any more.
      if (response.destroyed) return;
      response.writeHead(200, Object.fromEntries(Object.entries(reply.getHeaders()).map(headerOf)));
      const opened = new EventStream(desk, response, token, cursor, request.query.kind ?? null);
      streams.add(opened);
      response.on("close", () => streams.delete(opened));
      opened.look();
    },
  );
}

function tooMany(message: string): Failure {
  return new Failure(429, message, { headers: { "retry-after": "60" } });
}

function headerOf([name, value]: readonly [string, number | string | string[] | undefined]): [
  string,
  string,
] {
  return [name, String(value)];
}

/** One client that reads along. */
class EventStream {
  readonly token: TokenRecord;
  readonly #desk: Desk;
  readonly #response: ServerResponse;
  readonly #kind: LoggedEvent["kind"] | null;
  #cursor: EventCursor;
  #idle = 0;
  #stuck = 0;

  constructor(
    desk: Desk,
    response: ServerResponse,
    token: TokenRecord,
    cursor: EventCursor,
    kind: LoggedEvent["kind"] | null,
  ) {
    this.#desk = desk;
    this.#response = response;
    this.token = token;
    this.#cursor = cursor;
    this.#kind = kind;
    response.write(`: id ${idOf(cursor)} is where this begins\n\n`);
  }

  /** Sends what is new, unless the client has not taken what was. */
  look(): void {
    if (!this.#desk.honours(this.token)) {
      this.end();
      return;
    }
    if (this.#response.writableNeedDrain) {
      this.#stuck += 1;
      if (this.#stuck > LOOKS_UNTIL_GONE) this.#response.destroy();
      return;
    }
    this.#stuck = 0;
    const following = this.#desk.events.after(this.#cursor, EVENTS_AT_ONCE);
    if (following.kind === "gap") {
      this.#cursor = following.cursor;
      this.#write("reset", { detail: "events in between are kept no more: read the lists again" });
      return;
    }
    this.#idle += 1;
    for (const { cursor, kind, atMs, subject, detail, author } of following.events) {
      this.#cursor = cursor;
      if (this.#kind !== null && kind !== this.#kind) continue;
      this.#write(kind, { at: formatMoment(atMs), subject, detail, ...(author === null ? {} : { author }) });
    }
    this.#cursor = following.cursor;
    if (this.#idle >= LOOKS_UNTIL_HEARTBEAT) {
      this.#response.write(`: ${formatMoment(this.#desk.nowMs())}\n\n`);
      this.#idle = 0;
    }
  }

  end(): void {
    this.#response.end();
  }

  /** JSON has no line feeds in it. */
  #write(name: string, data: object): void {
    this.#idle = 0;
    this.#response.write(`id: ${idOf(this.#cursor)}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

function idOf({ history, audit }: EventCursor): string {
  return `${history}-${audit}`;
}

function cursorOf(id: string): EventCursor {
  const [, history, audit] = /^(\d{1,15})-(\d{1,15})$/.exec(id.trim()) ?? [];
  if (history !== undefined && audit !== undefined) return { history: Number(history), audit: Number(audit) };
  throw badRequest([`Last-Event-ID: expected the id of an event, such as 120-7, got ${JSON.stringify(id)}`]);
}
