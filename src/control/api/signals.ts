/** Passive signals: errors and loads of members, from those who see real traffic. */

import Type from "typebox";
import { LOAD_MAX } from "../../health/report.ts";
import { inRequest } from "../../problem.ts";
import type { Desk } from "../desk.ts";
import { SIGNALS_MAX } from "../signals.ts";
import type { Api } from "./api.ts";
import { tokenOf } from "./auth.ts";
import { Failure, failureFor } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { errorBody, object } from "./schemas.ts";

const requests = (description: string) => Type.Integer({ minimum: 0, maximum: 1_000_000_000, description });

const target = Type.String({
  minLength: 1,
  maxLength: 512,
  description: "a member such as web/eu-west, or a VIP such as web/eu-west/ipv4",
});
const errors = object(
  { failed: requests("how many of them failed"), total: requests("how many requests there were") },
  { description: "requests since the last signal" },
);
const load = Type.Number({
  minimum: 0,
  maximum: LOAD_MAX,
  description: `how busy the member is, from 0 to ${LOAD_MAX}; 1: as busy as can be`,
});

const signal = object(
  { target, errors: Type.Optional(errors), load: Type.Optional(load) },
  { minProperties: 2, description: "a target with errors or load, or both" },
);

const body = object({
  signals: Type.Array(signal, {
    minItems: 1,
    maxItems: SIGNALS_MAX,
    description: `1 to ${SIGNALS_MAX} signals`,
  }),
});

const taken = Type.Null({ description: "All of them are taken." });

export function signalRoutes(app: Api, desk: Desk): void {
  app.post(
    "/v1/signals",
    {
      config: { access: "signals" },
      schema: {
        summary: "Say what was seen of members: errors and load, many at once",
        tags: ["facts"],
        headers: keyHeader,
        body,
        response: { 204: taken, default: errorBody },
      },
    },
    (request, reply) => {
      const outcome = desk.signal(tokenOf(request), request.body.signals);
      switch (outcome.kind) {
        case "taken":
          reply.code(204);
          return null;
        case "refused":
          throw failureFor(422, outcome.messages.map(inRequest));
        case "forbidden":
          throw failureFor(403, outcome.messages.map(inRequest));
        case "too many":
          throw new Failure(429, `too many signals; try again in ${outcome.retryAfterSeconds} seconds`, {
            headers: { "retry-after": String(outcome.retryAfterSeconds) },
          });
      }
    },
  );
}
