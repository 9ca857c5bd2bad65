/** NOTIFY to real sockets, which answer as secondaries do, or not. */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { Notifier } from "../../src/control/notifier.ts";
import type { Snapshot } from "../../src/control/snapshot.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { Opcode, Rcode, RRType } from "../../src/wire/codes.ts";
import { type Message, MessageWriter, readMessage } from "../../src/wire/message.ts";
import { formatName, type Name, nameKey, parseName } from "../../src/wire/name.ts";
import { serialIn } from "../../src/wire/serial.ts";
import { findTsig, type TsigKey, TsigSigner, verifyTsig } from "../../src/wire/tsig.ts";
import type { Zone } from "../../src/zone/zone.ts";
import { zoneOf } from "../answer/harness.ts";
import { configWith } from "../health/fixtures.ts";
import { until } from "./test-node.ts";

const NOW = 1_800_000_000;
/** So late a busy machine may hear something. */
const LATE_MS = 300;

function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

const KEY: TsigKey = { name: name("xfr."), algorithm: "hmac-sha256", secret: Buffer.alloc(32, 7) };

function zone(serial: number, more = ""): Zone {
  return zoneOf(
    `$ORIGIN example.\n@ 60 SOA ns h ${serial} 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n${more}\n`,
  );
}

/** A secondary that has heard NOTIFYs; `answer` says what it replies. */
class Secondary {
  readonly socket: Socket = createSocket("udp4");
  readonly heard: Message[] = [];
  answer: (message: Message, octets: Uint8Array) => Uint8Array | null = () => null;

  async open(): Promise<this> {
    this.socket.bind(0, "127.0.0.1");
    await once(this.socket, "listening");
    onTestFinished(() => void this.socket.close());
    this.socket.on("message", (octets: Buffer, { port }: RemoteInfo) => {
      const message = readMessage(new Uint8Array(octets));
      if (message === null) throw new Error("a NOTIFY that cannot be read");
      this.heard.push(message);
      const reply = this.answer(message, new Uint8Array(octets));
      if (reply !== null) this.socket.send(reply, port, "127.0.0.1");
    });
    return this;
  }

  get serials(): readonly (number | null)[] {
    return this.heard.map(({ answers }) => serialIn(answers[0]?.rdata ?? new Uint8Array(0)));
  }
}

/** The reply that a secondary makes, signed where `key` is given. */
function replyTo({ id, questions, additionals }: Message, rcode: number, key: TsigKey | null): Uint8Array {
  const writer = new MessageWriter(id, 0x8400 | (Opcode.Notify << 11) | rcode, 512);
  for (const question of questions) writer.question(question);
  const found = findTsig({ id, questions, additionals, answers: [], authorities: [], flags: 0, opcode: 4 });
  if (key === null || found.kind !== "signed") return writer.octets;
  return new TsigSigner(key, found.tsig.mac).sign(writer.octets, NOW);
}

const accept = (message: Message): Uint8Array => replyTo(message, Rcode.NoError, KEY);

class Lab {
  readonly logged: { readonly msg: string }[] = [];
  readonly notifier: Notifier;

  /** By default nobody waits for what goes out again. */
  constructor(retryMs = 10_000) {
    this.notifier = new Notifier({
      nowMs: () => NOW * 1000,
      log: pino({ level: "debug" }, { write: (line) => void this.logged.push(JSON.parse(line)) }),
      retryMs,
    });
    onTestFinished(() => this.notifier.close());
  }

  use(of: Zone, ...secondaries: readonly Secondary[]): void {
    const place = { file: "", line: 0, column: 0 };
    const address = parseAddress("127.0.0.1");
    if (address === null) throw new Error("no address");
    const notify = secondaries.map(({ socket }) => ({ address, port: socket.address().port }));
    const peers = [{ key: nameKey(KEY.name), from: [], notify }];
    const declared = { apex: of.apex, label: "example", place, omitsSteered: false, peers };
    const config: Config = { ...configWith({}), transfer: new Map([[nameKey(of.apex), declared]]) };
    const keys = new Map([[nameKey(KEY.name), KEY]]);
    this.notifier.use({ config, keys, zones: [of] } as Partial<Snapshot> as Snapshot);
  }

  said(pattern: RegExp): boolean {
    return this.logged.some(({ msg }) => pattern.test(msg));
  }
}

describe("a NOTIFY", () => {
  test("names the zone and its SOA, and is signed (RFC 1996 §3.6, §3.7; RFC 8945 §5.1)", async () => {
    const secondary = await new Secondary().open();
    let isValid = false;
    secondary.answer = (message, octets) => {
      const found = findTsig(message);
      isValid = found.kind === "signed" && verifyTsig(octets, found.tsig, KEY, NOW).kind === "valid";
      return accept(message);
    };
    const lab = new Lab();
    lab.use(zone(7), secondary);
    await until(() => lab.notifier.outcomes.answered === 1);
    const [message] = secondary.heard;
    expect([message?.opcode, (message?.flags ?? 0) & 0x8400]).toEqual([Opcode.Notify, 0x0400]);
    expect(message?.questions.map(({ qname, qtype }) => [formatName(qname), qtype])).toEqual([
      ["example.", RRType.SOA],
    ]);
    expect([secondary.serials, isValid]).toEqual([[7], true]);
  });

  test("goes out again after growing waits, until it is given up (RFC 1996 §3.6)", async () => {
    const secondary = await new Secondary().open();
    const times: number[] = [];
    secondary.answer = () => {
      times.push(performance.now());
      return null;
    };
    const retryMs = 60;
    const lab = new Lab(retryMs);
    lab.use(zone(7), secondary);
    await until(() => lab.notifier.outcomes.unanswered === 1);
    expect(new Set(secondary.heard.map(({ id }) => id)).size).toBe(1);
    expect(times).toHaveLength(6);
    // What a busy machine hears late is followed sooner by the next: the waits are held against all that came before.
    const [firstMs = 0, ...laterMs] = times;
    for (const [i, ms] of laterMs.entries())
      expect(ms - firstMs).toBeGreaterThan(retryMs * (2 ** (i + 1) - 1) - LATE_MS);
    expect(lab.said(/NOTIFY of example\. unanswered: no answer/)).toBe(true);
  });

  test("ends with the first answer that the key has signed (RFC 1996 §3.6)", async () => {
    const secondary = await new Secondary().open();
    secondary.answer = (message) => (secondary.heard.length < 3 ? null : accept(message));
    const lab = new Lab(LATE_MS);
    lab.use(zone(7), secondary);
    await until(() => lab.notifier.outcomes.answered === 1);
    expect(secondary.heard).toHaveLength(3);
  });

  test.each<[string, (message: Message) => Uint8Array]>([
    ["that is not signed", (message) => replyTo(message, Rcode.NotAuth, null)],
    [
      "signed by another",
      (message) => replyTo(message, Rcode.NoError, { ...KEY, secret: Buffer.alloc(32, 8) }),
    ],
    [
      "to another question",
      (message) => replyTo({ ...message, questions: [{ qname: name("x."), qtype: 6, qclass: 1 }] }, 0, KEY),
    ],
    ["with another id", (message) => replyTo({ ...message, id: message.id ^ 1 }, 0, KEY)],
    ["that is no message", () => Uint8Array.of(1, 2, 3)],
  ])("is not ended by an answer %s", async (_what, answer) => {
    const secondary = await new Secondary().open();
    secondary.answer = (message) => (secondary.heard.length === 1 ? answer(message) : accept(message));
    const lab = new Lab(LATE_MS);
    lab.use(zone(7), secondary);
    await until(() => lab.notifier.outcomes.answered === 1);
    expect(secondary.heard).toHaveLength(2);
  });

  test("that a secondary refuses ends with a line in the log", async () => {
    const secondary = await new Secondary().open();
    secondary.answer = (message) => replyTo(message, Rcode.Refused, KEY);
    const lab = new Lab();
    lab.use(zone(7), secondary);
    await until(() => lab.notifier.outcomes.refused === 1);
    expect(lab.said(/NOTIFY of example\. refused: RCODE 5/)).toBe(true);
  });

  test("goes to who is new, and to all after a new serial (RFC 1996 §3.1), also one that has gone round", async () => {
    const [first, second] = [await new Secondary().open(), await new Secondary().open()];
    first.answer = accept;
    second.answer = accept;
    const lab = new Lab();
    lab.use(zone(0xffff_ffff), first);
    await until(() => lab.notifier.outcomes.answered === 1);
    lab.use(zone(0xffff_ffff), first, second);
    await until(() => lab.notifier.outcomes.answered === 2);
    lab.use(zone(1), first, second);
    await until(() => lab.notifier.outcomes.answered === 4);
    expect([first.serials, second.serials]).toEqual([
      [0xffff_ffff, 1],
      [0xffff_ffff, 1],
    ]);
  });

  test("of a later serial takes the place of one that nobody has answered", async () => {
    const secondary = await new Secondary().open();
    const lab = new Lab();
    lab.use(zone(7), secondary);
    await until(() => secondary.heard.length === 1);
    secondary.answer = accept;
    lab.use(zone(8), secondary);
    await until(() => lab.notifier.outcomes.answered === 1);
    expect(secondary.serials).toEqual([7, 8]);
    lab.use(zone(8));
    expect(lab.notifier.outcomes).toEqual({ answered: 1, refused: 0, unanswered: 0 });
  });
});

describe("an operator is told", () => {
  test.each<[string, Zone, RegExp]>([
    [
      "that a zone has another RR, but no other serial",
      zone(7, "new 60 A 192.0.2.1"),
      /has changed, but not its serial 7/,
    ],
    ["of another TTL", zone(7, "old 61 TXT a"), /has changed, but not/],
    ["of another value", zone(7, "old 60 TXT b"), /has changed, but not/],
    ["of another name", zone(7, "odd 60 TXT a"), /has changed, but not/],
    ["that a serial has gone back", zone(6, "old 60 TXT a"), /has serial 6 after 7/],
  ])("%s: secondaries would not notice", async (_what, next, said) => {
    const lab = new Lab();
    lab.use(zone(7, "old 60 TXT a"));
    lab.use(next);
    await until(() => lab.said(said));
    expect(lab.notifier.outcomes).toEqual({ answered: 0, refused: 0, unanswered: 0 });
  });

  test("nothing where the file alone is another", async () => {
    const many = Array.from({ length: 600 }, (_, i) => `n${i} 60 TXT a`);
    const lab = new Lab();
    lab.use(zone(7, many.join("\n")));
    lab.use(zone(7, many.toReversed().join("\n")));
    lab.use(zone(8));
    lab.use(zone(8, "x 60 TXT a"));
    await until(() => lab.said(/its serial 8/));
    expect(lab.logged).toHaveLength(1);
  });
});
