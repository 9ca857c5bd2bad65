/** DNS Cookies (RFC 7873) as RFC 9018 makes them. */

import { describe, expect, test } from "vitest";
import { installSecrets, newSecretMemory } from "../../src/answer/cookie.ts";
import { Transport } from "../../src/answer/transport.ts";
import { Counter } from "../../src/telemetry/counters.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { EdnsOption } from "../../src/wire/codes.ts";
import { optionsOf, queryWith, readReply, Server, texts, zoneOf } from "./harness.ts";

const zone = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
`);
const SECRET = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const CLIENT_COOKIE = "2464c4abcf10c957";
const MADE_AT = 1_559_731_985;
const COOKIE = `${CLIENT_COOKIE}010000005cf79f111f8130c3eee29480`;
const BADCOOKIE = 23;

/** A server with secrets in hex, asked from an address. */
function serverWith(secrets: readonly string[], from: string, required = false): Server {
  const memory = newSecretMemory();
  install(memory, ...secrets);
  const server = new Server([zone], [], [], { cookies: { secrets: memory, required } });
  const address = parseAddress(from)!;
  server.client.family = address.family;
  server.client.address.set(address.bytes);
  return server;
}

function install(memory: SharedArrayBuffer, current = "", other?: string): void {
  const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
  installSecrets(memory, octets(current), other === undefined ? null : octets(other));
}

interface Asked {
  /** With the upper bits of the OPT. */
  readonly rcode: number;
  /** In hex; null: none. */
  readonly cookie: string | null;
  readonly answers: readonly string[];
}

function ask(server: Server, cookie: string, moment: number, transport: Transport = Transport.Udp): Asked {
  return read(server.raw(queryWith("ns.example", "A", [EdnsOption.Cookie, cookie]), transport, moment));
}

function read(octets: Uint8Array): Asked {
  const reply = readReply(octets);
  const opt = reply.additionals?.find(({ type }) => type === "OPT");
  const upper = opt?.type === "OPT" ? opt.extendedRcode : 0;
  const cookie = optionsOf(octets)?.find(([code]) => code === EdnsOption.Cookie)?.[1] ?? null;
  return { rcode: upper * 16 + (octets[3]! & 15), cookie, answers: texts(reply.answers) };
}

const ANSWER = ["ns.example A 192.0.2.53"];

describe("the test vectors of RFC 9018 Appendix A", () => {
  test("A.1: a client learns its Server Cookie", () => {
    const server = serverWith([SECRET], "198.51.100.100");
    expect(ask(server, CLIENT_COOKIE, MADE_AT)).toEqual({ rcode: 0, cookie: COOKIE, answers: ANSWER });
  });

  test("A.2: after 40 minutes the same client gets a new one (§4.3)", () => {
    const server = serverWith([SECRET], "198.51.100.100");
    const renewed = `${CLIENT_COOKIE}010000005cf7a871d4a564a1442aca77`;
    expect(ask(server, COOKIE, MADE_AT + 2_400)).toEqual({ rcode: 0, cookie: renewed, answers: ANSWER });
    expect(server.counters[Counter.cookieValid]).toBe(1);
  });

  test("A.3: Reserved octets are hashed as they came, and are zero in a new cookie (§4.2)", () => {
    const server = serverWith([SECRET], "203.0.113.203", true);
    const theirs = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    expect(ask(server, theirs, 1_559_727_985 + 3_000)).toMatchObject({ rcode: 0, answers: ANSWER });
    expect(ask(server, theirs, 1_559_734_700)).toMatchObject({
      cookie: "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
    });
  });

  test("A.4: an IPv6 client's cookie of the secret before is valid, and is made new with the current one (§5)", () => {
    const server = serverWith(
      ["445536bcd2513298075a5d379663c962", "dd3bdf9344b678b185a6f5cb60fca715"],
      "2001:db8:220:1:59de:d0f4:8769:82b8",
      true,
    );
    expect(ask(server, "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1_559_741_961)).toEqual({
      rcode: 0,
      cookie: "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
      answers: ANSWER,
    });
  });
});

describe("a Server Cookie (RFC 9018 §4.3)", () => {
  const server = serverWith([SECRET], "198.51.100.100", true);

  test.each([
    ["now", 0, true],
    ["an hour ago", 3_600, true],
    ["more than an hour ago", 3_601, false],
    ["five minutes ahead", -300, true],
    ["more than five minutes ahead", -301, false],
  ])("made %s is valid: %s", (_, age, isValid) => {
    expect(ask(server, COOKIE, MADE_AT + age).rcode).toBe(isValid ? 0 : BADCOOKIE);
  });

  test("comes back as it is until it is half an hour old", () => {
    expect(ask(server, COOKIE, MADE_AT + 1_800).cookie).toBe(COOKIE);
    expect(ask(server, COOKIE, MADE_AT + 1_801).cookie).not.toBe(COOKIE);
  });

  test("is still right after the clock's 32 bits have overflowed (RFC 1982)", () => {
    const last = 2 ** 32 - 10;
    const { cookie } = ask(server, CLIENT_COOKIE, last);
    expect(ask(server, cookie!, last + 60)).toMatchObject({ rcode: 0, cookie });
  });

  test.each([
    ["another client address", COOKIE, "198.51.100.101"],
    ["another Client Cookie", COOKIE.replace("2464", "2465"), "198.51.100.100"],
    ["another hash", `${COOKIE.slice(0, -2)}81`, "198.51.100.100"],
    ["another version", COOKIE.replace("01000000", "02000000"), "198.51.100.100"],
    ["other Reserved octets", COOKIE.replace("01000000", "01000001"), "198.51.100.100"],
    ["another length", `${COOKIE}00`, "198.51.100.100"],
    ["8 octets of another method", `${CLIENT_COOKIE}0102030405060708`, "198.51.100.100"],
  ])("with %s is taken as none (RFC 7873 §5.2.4)", (_, cookie, from) => {
    const strict = serverWith([SECRET], from, true);
    expect(ask(strict, cookie, MADE_AT)).toMatchObject({ rcode: BADCOOKIE, answers: [] });
    expect(strict.counters[Counter.cookieInvalid]).toBe(1);
    expect(ask(serverWith([SECRET], from), cookie, MADE_AT)).toMatchObject({ rcode: 0, answers: ANSWER });
  });
});

describe("cookies that are required", () => {
  const server = serverWith([SECRET], "198.51.100.100", true);

  test("a client that has none of ours gets BADCOOKIE with one, and its answer for that (RFC 7873 §5.2.3)", () => {
    const first = ask(server, CLIENT_COOKIE, MADE_AT);
    expect(first).toEqual({ rcode: BADCOOKIE, cookie: COOKIE, answers: [] });
    expect(ask(server, first.cookie!, MADE_AT + 1)).toMatchObject({ rcode: 0, answers: ANSWER });
    expect(server.counters[Counter.badCookie]).toBe(1);
  });

  test.each([
    ["TCP", Transport.Tcp],
    ["TLS", Transport.Tls],
    ["HTTPS", Transport.Https],
  ])(
    "over %s it is answered at once, because a connection proves the address (RFC 7873 §5.2.3)",
    (_, transport) => {
      expect(ask(server, CLIENT_COOKIE, MADE_AT, transport)).toEqual({
        rcode: 0,
        cookie: COOKIE,
        answers: ANSWER,
      });
    },
  );

  test("a query without a COOKIE option is answered, without one (RFC 7873 §5.2.1)", () => {
    const octets = server.raw(queryWith("ns.example", "A"), Transport.Udp, MADE_AT);
    expect(read(octets)).toEqual({ rcode: 0, cookie: null, answers: ANSWER });
  });
});

describe("a query without a question (RFC 7873 §5.4)", () => {
  const server = serverWith([SECRET], "198.51.100.100");

  function questionless(cookie: string): Uint8Array {
    const octets = cookie.length / 2;
    const hex = `1234000000000000000000010000290 4d000000000${(octets + 4).toString(16).padStart(4, "0")}000a${octets.toString(16).padStart(4, "0")}${cookie}`;
    return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
  }

  test.each([
    ["a Client Cookie gets a Server Cookie and NOERROR", CLIENT_COOKIE, 0],
    ["a valid Server Cookie gets NOERROR", COOKIE, 0],
    ["an invalid Server Cookie gets BADCOOKIE", `${COOKIE.slice(0, -2)}81`, BADCOOKIE],
  ])("%s", (_, cookie, rcode) => {
    expect(read(server.raw(questionless(cookie), Transport.Udp, MADE_AT))).toEqual({
      rcode,
      cookie: COOKIE,
      answers: [],
    });
  });

  test("is FORMERR where cookies are off, and without a cookie", () => {
    expect(read(new Server([zone]).raw(questionless(CLIENT_COOKIE)))).toMatchObject({
      rcode: 1,
      cookie: null,
    });
    const bare = Buffer.from("1234000000000000000000010000290 4d0000000000000".replaceAll(" ", ""), "hex");
    expect(read(server.raw(bare))).toMatchObject({ rcode: 1, cookie: null });
  });
});

test("a malformed COOKIE option gets FORMERR without a cookie (RFC 7873 §5.2.2)", () => {
  const server = serverWith([SECRET], "198.51.100.100");
  expect(ask(server, "0102", MADE_AT)).toEqual({ rcode: 1, cookie: null, answers: [] });
});

test("errors carry the cookie too", () => {
  const server = serverWith([SECRET], "198.51.100.100");
  const query = queryWith("other.test", "A", [EdnsOption.Cookie, CLIENT_COOKIE]);
  expect(read(server.raw(query, Transport.Udp, MADE_AT))).toMatchObject({ rcode: 5, cookie: COOKIE });
});

test("where cookies are off the option is ignored (RFC 7873 §5.2)", () => {
  expect(ask(new Server([zone]), CLIENT_COOKIE, MADE_AT)).toEqual({
    rcode: 0,
    cookie: null,
    answers: ANSWER,
  });
});

test("a new secret is used from the next query on, without a pause", () => {
  const memory = newSecretMemory();
  install(memory, SECRET);
  const server = new Server([zone], [], [], { cookies: { secrets: memory, required: true } });
  const { cookie } = ask(server, CLIENT_COOKIE, MADE_AT);
  const next = "445536bcd2513298075a5d379663c962";
  install(memory, next, SECRET);
  expect(ask(server, cookie!, MADE_AT).rcode).toBe(0);
  install(memory, next);
  expect(ask(server, cookie!, MADE_AT).rcode).toBe(BADCOOKIE);
});
