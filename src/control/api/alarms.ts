/** The alarms: what is wrong now, and who is told. */

import Type, { type Static } from "typebox";
import { type Alarm, keyOf, severityOf } from "../../alarm/alarm.ts";
import { SEVERITIES, type Severity } from "../../config/alarms.ts";
import { didYouMean } from "../../suggest.ts";
import type { Desk } from "../desk.ts";
import type { Api } from "./api.ts";
import { Failure } from "./errors.ts";
import { keyHeader } from "./idempotency.ts";
import { next, type PageQuery, pageOf, pageQuery } from "./page.ts";
import { errorBody, formatMoment, moment, nullable, object, oneOf } from "./schemas.ts";

const severity = oneOf(SEVERITIES, "a severity");

interface AlarmQuery extends PageQuery {
  readonly severity?: Severity;
}

const alarmSchema = object({
  key: Type.String({ description: "kind and subject; the same over restarts" }),
  kind: Type.String(),
  subject: Type.String({ description: "what it is about: a VIP, a service, a vantage" }),
  severity,
  summary: Type.String({ description: "one line for people" }),
  began: moment,
});

const destinationSchema = object({
  name: Type.String(),
  type: oneOf(["webhook", "slack", "pagerduty", "email"], "a kind of destination"),
  waiting: Type.Integer({ description: "of how many alarms it is still to be told" }),
  trouble: nullable(Type.String({ description: "why it did not take the last message" })),
  sent: Type.Integer({ description: "messages that it took, since control started" }),
  failed: Type.Integer({ description: "messages that it did not take" }),
  lost: Type.Integer({ description: "moments that it will never hear of, because too much had to wait" }),
});

const list = object(
  {
    alarms: Type.Array(alarmSchema),
    destinations: Type.Array(destinationSchema),
    next,
  },
  { description: "What is wrong now, and who is told." },
);

const tested = object(
  {
    taken: Type.Boolean(),
    message: nullable(Type.String({ description: "why it was not taken" })),
  },
  { description: "What the destination made of the test." },
);

export function alarmRoutes(app: Api, desk: Desk): void {
  app.get(
    "/v1/alarms",
    {
      config: { access: "reader" },
      schema: {
        summary: "What is wrong now, and who is told",
        tags: ["alarms"],
        querystring: pageQuery<AlarmQuery>({ severity: Type.Optional(severity) }),
        response: { 200: list, default: errorBody },
      },
    },
    (request) => {
      const { standing, destinations } = desk.alarms();
      const { severity } = request.query;
      const wanted = standing.filter((alarm) => severity === undefined || severityOf(alarm) === severity);
      const { entries, next } = pageOf(wanted, keyOf, request.query);
      return { alarms: entries.map(viewOf), destinations: [...destinations], next };
    },
  );

  app.post(
    "/v1/alarms/tests",
    {
      config: { access: "operator" },
      schema: {
        summary: "Send a test to a destination now",
        tags: ["alarms"],
        headers: keyHeader,
        body: object({
          destination: Type.String({ minLength: 1, description: "the name of a destination" }),
        }),
        response: { 200: tested, default: errorBody },
      },
    },
    async (request) => {
      const { destination } = request.body;
      const outcome = await desk.testAlarm(destination);
      switch (outcome.kind) {
        case "taken":
          return { taken: true, message: null };
        case "not-taken":
          return { taken: false, message: outcome.message };
        case "unknown":
          throw new Failure(
            404,
            `there is no destination "${destination}"${didYouMean(destination, outcome.known)}`,
          );
      }
    },
  );
}

function viewOf(alarm: Alarm): Static<typeof alarmSchema> {
  const { kind, subject, summary, beganMs } = alarm;
  return {
    key: keyOf(alarm),
    kind,
    subject,
    severity: severityOf(alarm),
    summary,
    began: formatMoment(beganMs),
  };
}
