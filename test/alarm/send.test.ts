/** Messages to real servers, and what these make of them. */

import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alarm } from "../../src/alarm/alarm.ts";
import type { Message } from "../../src/alarm/message.ts";
import type { Notice } from "../../src/alarm/outbox.ts";
import { type Address, send } from "../../src/alarm/send.ts";
import type { Destination, SecretSource } from "../../src/config/alarms.ts";
import { HAS_OPENSSL, makeCertificate } from "../serve/certificates.ts";
import { PostOffice, Receiver } from "./receivers.ts";

const NOW = Date.parse("2026-01-01T00:00:05Z");
const BEGAN = Date.parse("2026-01-01T00:00:00Z");
const SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const SOURCE: SecretSource = {
  from: "environment",
  variable: "X",
  place: { file: "meridian.yaml", line: 1, column: 1 },
};

const down = alarm("vip-down", "web/eu-west/ipv4", "web/eu-west/ipv4 is down: <timeout> & more", BEGAN);
const service = alarm("service-down", "www.example", "www.example has nothing up", BEGAN);
const forced = alarm(
  "change-forced",
  "audit entry 7",
  "anna has forced a drain\r\nBcc: all@example.com",
  BEGAN,
  false,
);

function message(notices: readonly Notice[], more = 0): Message {
  return { id: "msg_1", node: "dns1", sentMs: NOW, notices, more };
}

const begun = message([{ alarm: down, state: "begun", endedMs: null }]);

function address(destination: object, secret: string | null, ca: Buffer | null = null): Address {
  return { destination: { id: "it", ca: null, ...destination } as Destination, secret, ca };
}

describe("a webhook", () => {
  test("is signed, as the function in docs/operations.md checks", async () => {
    const receiver = await Receiver.open();
    await send(address({ kind: "webhook", url: `${receiver.url}/hook`, secret: SOURCE }, SECRET), begun);
    const [request] = receiver.received;
    const isGenuine = documentedCheck();
    expect(isGenuine(request!.headers, request!.body, SECRET, NOW)).toBe(true);
    expect(isGenuine(request!.headers, request!.body.replace("eu", "us"), SECRET, NOW)).toBe(false);
    expect(
      isGenuine({ ...request!.headers, "webhook-timestamp": "1767225600" }, request!.body, SECRET, NOW),
    ).toBe(false);
    expect(isGenuine(request!.headers, request!.body, SECRET, NOW + 301_000)).toBe(false);
    expect(isGenuine(request!.headers, request!.body, SECRET.replace("Bw", "Cw"), NOW)).toBe(false);
    expect([request!.path, request!.headers["content-type"]]).toEqual(["/hook", "application/json"]);
    expect(receiver.bodies).toEqual([
      {
        type: "alarms",
        timestamp: "2026-01-01T00:00:05.000Z",
        data: {
          node: "dns1",
          more: 0,
          alarms: [
            {
              key: "vip-down/web/eu-west/ipv4",
              kind: "vip-down",
              subject: "web/eu-west/ipv4",
              severity: "warning",
              state: "begun",
              summary: "web/eu-west/ipv4 is down: <timeout> & more",
              began: "2026-01-01T00:00:00.000Z",
              ended: null,
            },
          ],
        },
      },
    ]);
  });

  test.each([302, 404, 429, 500])(
    "that is answered with %i was not taken, and is not sent elsewhere",
    async (status) => {
      const receiver = await Receiver.open();
      receiver.status = status;
      const webhook = address({ kind: "webhook", url: receiver.url, secret: SOURCE }, SECRET);
      await expect(send(webhook, begun)).rejects.toThrow(`HTTP status ${status}, expected 2xx`);
      expect(receiver.received).toHaveLength(1);
    },
  );

  test("to nobody was not taken", async () => {
    const webhook = address({ kind: "webhook", url: "http://127.0.0.1:1/", secret: SOURCE }, SECRET);
    await expect(send(webhook, begun)).rejects.toThrow("ECONNREFUSED");
  });

  test.runIf(HAS_OPENSSL)("over TLS goes only to a server with a certificate that is trusted", async () => {
    const files = makeCertificate();
    const receiver = await Receiver.open(files);
    const webhook = { kind: "webhook", url: receiver.url, secret: SOURCE };
    await expect(send(address(webhook, SECRET), begun)).rejects.toThrow(/self-signed certificate/);
    await expect(
      send(address(webhook, SECRET, readFileSync(makeCertificate().certificate)), begun),
    ).rejects.toThrow(/certificate/);
    expect(receiver.received).toEqual([]);
    await send(address(webhook, SECRET, readFileSync(files.certificate)), begun);
    expect(receiver.received).toHaveLength(1);
  });
});

test("Slack is sent lines of text, with what it takes for markup made harmless", async () => {
  const receiver = await Receiver.open();
  const notices: readonly Notice[] = [
    { alarm: down, state: "begun", endedMs: null },
    { alarm: service, state: "ended", endedMs: NOW },
    { alarm: forced, state: "happened", endedMs: null },
  ];
  await send(address({ kind: "slack", url: SOURCE }, `${receiver.url}/services/T0/B0`), message(notices, 3));
  expect(receiver.received[0]!.path).toBe("/services/T0/B0");
  expect(receiver.bodies[0].text.split("\n")).toEqual([
    "*meridian dns1*",
    "warning: web/eu-west/ipv4 is down: &lt;timeout&gt; &amp; more (since 2026-01-01T00:00:00.000Z)",
    "over: www.example has nothing up (2026-01-01T00:00:00.000Z to 2026-01-01T00:00:05.000Z)",
    "warning: anna has forced a drain Bcc: all@example.com (at 2026-01-01T00:00:00.000Z)",
    "3 more follow",
  ]);
});

test("PagerDuty is sent an event for each alarm, and one that resolves it", async () => {
  const receiver = await Receiver.open();
  receiver.status = 202;
  const pagerduty = address({ kind: "pagerduty", url: receiver.url, key: SOURCE }, "R0UT1NG");
  const long = alarm("files-degraded", "x".repeat(300), "a long path", BEGAN);
  const notices: readonly Notice[] = [
    { alarm: down, state: "begun", endedMs: null },
    { alarm: service, state: "ended", endedMs: NOW },
    { alarm: long, state: "begun", endedMs: null },
  ];
  await send(pagerduty, message(notices));
  expect(receiver.bodies).toEqual([
    {
      routing_key: "R0UT1NG",
      event_action: "trigger",
      // Without the node's name, so that several nodes that see one VIP down make one incident.
      dedup_key: "meridian vip-down/web/eu-west/ipv4",
      payload: {
        summary: "web/eu-west/ipv4 is down: <timeout> & more",
        source: "dns1",
        severity: "warning",
        timestamp: "2026-01-01T00:00:00.000Z",
        component: "web/eu-west/ipv4",
        class: "vip-down",
      },
    },
    { routing_key: "R0UT1NG", event_action: "resolve", dedup_key: "meridian service-down/www.example" },
    expect.objectContaining({ dedup_key: expect.stringMatching(/^[0-9a-f]{64}$/) }),
  ]);
});

describe.runIf(HAS_OPENSSL)("a letter", () => {
  const files = makeCertificate();
  const tls = { key: readFileSync(files.key), cert: readFileSync(files.certificate) };
  const ca = readFileSync(files.certificate);
  const email = {
    kind: "email",
    host: "127.0.0.1",
    from: "meridian@example.com",
    to: ["ops@example.com", "night@example.com"],
  };
  const login = { user: "meridian", password: SOURCE };

  test.each(["starttls", "implicit"])("goes over TLS (%s), with a login", async (kind) => {
    const office = await PostOffice.open({ ...tls, secure: kind === "implicit" });
    const destination = { ...email, port: office.port, tls: kind, login };
    await send(
      address(destination, "a secret", ca),
      message([{ alarm: forced, state: "happened", endedMs: null }], 1),
    );
    expect(office.letters).toEqual([
      {
        user: "meridian",
        isSecure: true,
        from: "meridian@example.com",
        to: ["ops@example.com", "night@example.com"],
        content: expect.stringContaining("Auto-Submitted: auto-generated"),
      },
    ]);
    const { content } = office.letters[0]!;
    const unfolded = content.replaceAll(/\r\n[ \t]/g, " ");
    expect(unfolded).toMatch(
      /^Subject: \[meridian dns1\] warning: anna has forced a drain Bcc: all@example.com .* \(\+1 more\)\r$/m,
    );
    expect(unfolded).not.toMatch(/^Bcc:/m);
  });

  test("does not go to a server that cannot do TLS, nor with a wrong password, nor to a stranger", async () => {
    const plain = await PostOffice.open({ disabledCommands: ["STARTTLS"], authOptional: true });
    const destination = { ...email, port: plain.port, tls: "starttls", login: null };
    await expect(send(address(destination, null, ca), begun)).rejects.toThrow(/STARTTLS/i);
    const office = await PostOffice.open(tls);
    const secure = { ...destination, port: office.port, login };
    await expect(send(address(secure, "another", ca), begun)).rejects.toThrow(/who are you/);
    await expect(send(address(secure, "a secret"), begun)).rejects.toThrow(/self-signed certificate/);
    expect([...plain.letters, ...office.letters]).toEqual([]);
  });

  test("goes in the clear where that is wanted", async () => {
    const office = await PostOffice.open({ hideSTARTTLS: true, authOptional: true });
    await send(address({ ...email, port: office.port, tls: "none", login: null }, null), begun);
    expect(office.letters).toMatchObject([{ user: null, isSecure: false }]);
  });
});

type Check = (headers: object, body: string, secret: string, nowMs: number) => boolean;

/** The function that receivers are told to use. */
function documentedCheck(): Check {
  const page = readFileSync(join(import.meta.dirname, "../../docs/operations.md"), "utf8");
  const [, code] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  const make = new Function("require", `${code}; return isGenuine;`);
  return make(() => ({ createHmac, timingSafeEqual })) as Check;
}
