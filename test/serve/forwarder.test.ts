import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { Client } from "../../src/answer/client.ts";
import { Transport } from "../../src/answer/transport.ts";
import type { FromClient } from "../../src/book/messages.ts";
import { Abandoned, Forwarder } from "../../src/serve/forwarder.ts";
import { MessageWriter } from "../../src/wire/message.ts";
import { rootName } from "../../src/wire/name.ts";
import { TsigSigner } from "../../src/wire/tsig.ts";

const UPDATE = new MessageWriter(7, 5 << 11, 512).octets;
const SERVFAIL = [0, 7, 0x80 | (5 << 3), 2, ...new Array<number>(8).fill(0)];
const source = Uint8Array.of(192, 0, 2, 1);

class Lab {
  readonly sent: FromClient[] = [];
  readonly replies: (readonly [message: readonly number[], isLast: boolean])[] = [];
  aborted = 0;
  readonly forwarder = new Forwarder((message) => this.sent.push(message), {
    explain: (packet, length, _client, _transport, _moment, rdata) => {
      packet.octets[2] = 0x80;
      if (rdata !== null) packet.octets.set(rdata, length);
      return rdata === null ? length : length + rdata.length;
    },
  });

  forward(octets = UPDATE) {
    return this.forwarder.forward(
      { octets, source, transport: Transport.Udp, tls: null },
      {
        reply: (message, isLast) => this.replies.push([[...message], isLast]),
        abort: () => {
          this.aborted += 1;
        },
      },
    );
  }

  reply(request: number, message: Uint8Array | null, isLast: boolean): void {
    this.forwarder.receive({ kind: "reply", request, message, isLast });
  }
}

function openLab(): Lab {
  const lab = new Lab();
  lab.forwarder.open();
  return lab;
}

describe("the forwarder", () => {
  test("takes a request to control, and the messages of its reply back one by one", () => {
    const lab = openLab();
    const forwarded = lab.forward();
    expect(lab.sent).toEqual([
      { kind: "request", request: 1, octets: UPDATE, source, isStream: false, tls: null, response: null },
    ]);
    lab.reply(1, Uint8Array.of(1), false);
    forwarded.next();
    lab.reply(1, Uint8Array.of(2), true);
    expect(lab.replies).toEqual([
      [[1], false],
      [[2], true],
    ]);
    expect(lab.sent.slice(1)).toEqual([{ kind: "next", request: 1 }]);
    lab.reply(1, Uint8Array.of(3), true);
    forwarded.next();
    forwarded.cancel();
    expect([lab.replies.length, lab.sent.length]).toEqual([2, 2]);
  });

  test("tells control when a client has gone", () => {
    const lab = openLab();
    lab.forward().cancel();
    expect(lab.sent[1]).toEqual({ kind: "gone", request: 1 });
  });

  test("answers a signed query as what it was before it was signed, for control to sign", () => {
    const lab = openLab();
    const query = new MessageWriter(9, 0, 512).question({ qname: rootName, qtype: 6, qclass: 1 }).octets;
    const key = { name: rootName, algorithm: "hmac-sha256", secret: new Uint8Array(32) } as const;
    lab.forward(new TsigSigner(key, null).sign(query, 1));
    const response = Uint8Array.from(query);
    response[2] = 0x80;
    expect(lab.sent[0]).toMatchObject({ response });
  });

  test("has control explain a query that asks why, and says itself what it explained", () => {
    const lab = openLab();
    const query = new MessageWriter(9, 0, 512).question({ qname: rootName, qtype: 16, qclass: 1 }).octets;
    lab.forward(query);
    lab.forward(query);
    expect(lab.sent).toEqual([
      { kind: "explain", request: 1, octets: query, source },
      { kind: "explain", request: 2, octets: query, source },
    ]);
    lab.forwarder.explain({ kind: "explanation", request: 2, rdata: Uint8Array.of(1, 97) });
    lab.forwarder.explain({ kind: "explanation", request: 1, rdata: null });
    const response = [...query];
    response[2] = 0x80;
    expect(lab.replies).toEqual([
      [[...response, 1, 97], true],
      [response, true],
    ]);
    lab.forwarder.explain({ kind: "explanation", request: 1, rdata: null });
    expect(lab.replies).toHaveLength(2);
  });

  test.each<[string, (lab: Lab) => void]>([
    ["control is not there", () => {}],
    ["control ends", (lab) => lab.forwarder.close()],
  ])("replies SERVFAIL when %s", async (what, act) => {
    const lab = what === "control ends" ? openLab() : new Lab();
    lab.forward();
    act(lab);
    await sleep(1);
    expect(lab.replies).toEqual([[SERVFAIL, true]]);
  });

  test("aborts a reply that has begun when control ends", () => {
    const lab = openLab();
    lab.forward();
    lab.reply(1, Uint8Array.of(1), false);
    lab.forwarder.close();
    expect([lab.replies.length, lab.aborted]).toEqual([1, 1]);
  });

  test("says nothing where control has nothing to say", () => {
    const lab = openLab();
    lab.forward();
    lab.reply(1, null, true);
    expect([lab.replies.length, lab.aborted]).toEqual([0, 1]);
  });

  test("replies SERVFAIL to what is more than 64 at a time, and goes on when some are done", async () => {
    const lab = openLab();
    for (let i = 0; i < 65; i += 1) lab.forward();
    await sleep(1);
    expect(lab.replies).toEqual([[SERVFAIL, true]]);
    expect(lab.sent.filter(({ kind }) => kind === "request")).toHaveLength(64);
    lab.reply(1, Uint8Array.of(1), true);
    lab.forward();
    expect(lab.sent.at(-1)).toMatchObject({ kind: "request", request: 66 });
    lab.forwarder.close();
  });

  test("replies SERVFAIL when control is silent for five seconds", () => {
    vi.useFakeTimers();
    const lab = openLab();
    lab.forward();
    vi.advanceTimersByTime(4_999);
    expect(lab.replies).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(lab.replies).toEqual([[SERVFAIL, true]]);
    vi.useRealTimers();
  });

  test("lets a client take its time with a message, and control five seconds for the next", () => {
    vi.useFakeTimers();
    const lab = openLab();
    const forwarded = lab.forward();
    lab.reply(1, Uint8Array.of(1), false);
    vi.advanceTimersByTime(60_000);
    expect(lab.aborted).toBe(0);
    forwarded.next();
    vi.advanceTimersByTime(4_999);
    expect(lab.aborted).toBe(0);
    vi.advanceTimersByTime(1);
    expect([lab.aborted, lab.sent.at(-1)]).toEqual([1, { kind: "gone", request: 1 }]);
    forwarded.next();
    expect(lab.sent).toHaveLength(3);
    vi.useRealTimers();
  });

  test("gives a stream the messages as it asks for them, or throws when there are no more", async () => {
    const lab = openLab();
    const client = new Client();
    const messages = lab.forwarder.respond(UPDATE, client, { transport: Transport.Tls, tls: "TLSv1.3" });
    const first = messages.next();
    expect(lab.sent[0]).toMatchObject({ isStream: true, tls: "TLSv1.3" });
    lab.reply(1, Uint8Array.of(1), false);
    expect((await first).value).toEqual(Uint8Array.of(1));
    expect(lab.sent).toHaveLength(1);
    const second = messages.next();
    await sleep(1);
    expect(lab.sent[1]).toEqual({ kind: "next", request: 1 });
    lab.forwarder.close();
    await expect(second).rejects.toBeInstanceOf(Abandoned);
  });
});
