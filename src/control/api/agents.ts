/** Where agents open their report streams. */

import websocket from "@fastify/websocket";
import Type from "typebox";
import { AGENT_MESSAGE_LENGTH_MAX, STREAM_PATH } from "../../probe/protocol.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { Failure } from "./errors.ts";
import { errorBody } from "./schemas.ts";

/** How long agents may take to say goodbye. */
const GOODBYE_MS = 300;

/** WebSocket close code of a server that is going away (RFC 6455 §7.4.1). */
const GOING_AWAY = 1001;

const opened = Type.Null({
  description: "The stream is open; its messages are those of src/probe/protocol.ts.",
});

/**
 * Teaches the server WebSockets. Comes before the guard: it closes the connection of an upgrade that is refused, which
 * is no longer the HTTP server's, and has to see the request first for that.
 */
export async function acceptWebSockets(app: Api): Promise<void> {
  await app.register(websocket, {
    options: { maxPayload: AGENT_MESSAGE_LENGTH_MAX, perMessageDeflate: false },
    preClose: async () => {
      const { clients } = app.websocketServer;
      for (const client of clients) client.close(GOING_AWAY);
      const timer = setTimeout(() => {
        for (const client of clients) client.terminate();
      }, GOODBYE_MS);
      timer.unref();
    },
  });
}

export function agentRoutes(app: Api, desk: Desk): void {
  app.route({
    method: "GET",
    url: STREAM_PATH,
    config: { access: "agent" },
    schema: {
      summary: "The report stream of an agent, a WebSocket",
      tags: ["agents"],
      response: { 101: opened, default: errorBody },
    },
    handler: () => {
      throw new Failure(426, "expected a WebSocket", { headers: { upgrade: "websocket" } });
    },
    wsHandler: (socket, { token }) => {
      if (token === null) socket.terminate();
      else desk.acceptAgent(socket, token);
    },
  });
}
