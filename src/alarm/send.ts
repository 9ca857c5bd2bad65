/** Sends messages to destinations: HTTP and SMTP. A promise that is kept means that the other side has taken it. */

import { once } from "node:events";
import { type IncomingMessage, request as requestInClear } from "node:http";
import { request as requestByTls } from "node:https";
import { createTransport } from "nodemailer";
import type { Destination } from "../config/alarms.ts";
import {
  formatLines,
  formatSubject,
  type Message,
  pagerdutyBodies,
  slackBody,
  webhookBody,
  webhookHeaders,
} from "./message.ts";

/** A destination with what its files say. */
export interface Address {
  readonly destination: Destination;
  /** null: it needs none. */
  readonly secret: string | null;
  /** PEM; null: the well-known certificate authorities. */
  readonly ca: Buffer | null;
}

/** Everything must be over by then. */
const SEND_MS_MAX = 10_000;

/** Throws when the destination has not taken all of it. What is thrown names no secret. */
export async function send({ destination, secret, ca }: Address, message: Message): Promise<void> {
  switch (destination.kind) {
    case "webhook": {
      const body = JSON.stringify(webhookBody(message));
      await post(destination.url, body, webhookHeaders(message, body, keyOf(secret)), ca);
      break;
    }
    case "slack":
      await post(secret ?? "", JSON.stringify(slackBody(message)), {}, ca);
      break;
    case "pagerduty":
      for (const body of pagerdutyBodies(message, secret ?? ""))
        await post(destination.url, JSON.stringify(body), {}, ca);
      break;
    case "email":
      await mail(destination, secret, ca, message);
      break;
  }
}

/** The octets of a webhook's secret, `whsec_` and base64. */
function keyOf(secret: string | null): Uint8Array {
  return Buffer.from((secret ?? "").replace(/^whsec_/, ""), "base64");
}

/** Follows no redirect: what is signed for one receiver is for no other. */
async function post(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  ca: Buffer | null,
): Promise<void> {
  const target = new URL(url);
  const request = (target.protocol === "https:" ? requestByTls : requestInClear)(target, {
    method: "POST",
    agent: false,
    headers: { ...headers, "content-type": "application/json", "user-agent": "meridian" },
    signal: AbortSignal.timeout(SEND_MS_MAX),
    ...(ca === null ? {} : { ca }),
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const { statusCode = 0 } = response;
  // What it says does not matter, and may be without end.
  response.destroy();
  if (statusCode < 200 || statusCode > 299) throw new Error(`HTTP status ${statusCode}, expected 2xx`);
}

async function mail(
  { host, port, tls, from, to, login }: Extract<Destination, { kind: "email" }>,
  password: string | null,
  ca: Buffer | null,
  message: Message,
): Promise<void> {
  const transport = createTransport({
    host,
    port,
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    ...(login === null ? {} : { auth: { user: login.user, pass: password ?? "" } }),
    tls: { minVersion: "TLSv1.2", ...(ca === null ? {} : { ca }) },
    connectionTimeout: SEND_MS_MAX,
    greetingTimeout: SEND_MS_MAX,
    socketTimeout: SEND_MS_MAX,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejected } = await transport.sendMail({
      from,
      to: [...to],
      subject: formatSubject(message),
      text: formatLines(message).join("\n"),
      headers: { "Auto-Submitted": "auto-generated" },
    });
    if (rejected.length > 0) throw new Error(`not taken for ${rejected.join(", ")}`);
  } finally {
    transport.close();
  }
}
