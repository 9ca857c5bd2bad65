import { describe, expect, test } from "vitest";
import type { Challenge } from "../../src/control/challenge.ts";
import { evaluateUpdate, type UpdateContext, type UpdateOutcome } from "../../src/control/update.ts";
import { Rcode, RRClass, RRType } from "../../src/wire/codes.ts";
import type { Message, MessageRR } from "../../src/wire/message.ts";
import { type Name, nameKey, parseName } from "../../src/wire/name.ts";
import { zoneOf } from "../answer/harness.ts";

function name(text: string): Name {
  const parsed = parseName(text, null);
  if (parsed.kind === "problem") throw new Error(parsed.message);
  return parsed.name;
}

const outer = zoneOf(`$ORIGIN example.
@ 60 SOA ns h 1 2 3 4 5
@ 60 NS ns
ns 60 A 192.0.2.53
www 60 A 192.0.2.1
www 60 A 192.0.2.2
www 60 MX 10 Mail
_acme-challenge.fixed 60 TXT "file"
_acme-challenge.alias 60 CNAME elsewhere.test.
sub 60 NS ns.elsewhere.test.
inner 60 NS ns.elsewhere.test.
`);
const inner = zoneOf(`$ORIGIN inner.example.\n@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n`);

const NOW = 1_000_000;
const WWW = "_acme-challenge.www.example.";

function challenge(value: string, owner = WWW): Challenge {
  return { owner, value, author: "somebody", createdMs: 0, untilMs: NOW + 1 };
}

const context: UpdateContext = {
  zones: [outer, inner],
  services: new Set([nameKey(name("steered.example."))]),
  challenges: [challenge("old"), challenge("other", "_acme-challenge.ns.example.")],
  grant: {
    key: "",
    names: ["www.example.", "fixed.example.", "alias.example.", "sub.example.", "inner.example."].map(name),
    below: [name("apps.example.")],
    from: [],
    place: { file: "", line: 0, column: 0 },
  },
  author: "key k",
  nowMs: NOW,
  keepMs: 500,
};

const { ANY, NONE, IN } = RRClass;
const { TXT, A, MX } = RRType;
const text = (value: string): Uint8Array => Uint8Array.from([value.length, ...Buffer.from(value)]);
const NOTHING = new Uint8Array(0);

/** An RR as UPDATE has it: `[owner, type, class, rdata]`, with the TTL that its class asks for. */
type Entry = readonly [owner: string, type: number, rrClass: number, rdata?: Uint8Array, ttl?: number];

function rr([owner, type, rrClass, rdata = NOTHING, ttl = 0]: Entry): MessageRR {
  return { owner: name(owner), type, rrClass, ttlSeconds: ttl, rdata, at: 0 };
}

function update(entries: readonly Entry[], prerequisites: readonly Entry[] = [], zone = "example."): Message {
  return {
    id: 1,
    flags: 0x2800,
    opcode: 5,
    questions: [{ qname: name(zone), qtype: RRType.SOA, qclass: IN }],
    answers: prerequisites.map(rr),
    authorities: entries.map(rr),
    additionals: [],
  };
}

const add = (value: string, owner = WWW): Entry => [owner, TXT, IN, text(value), 120];

function rcodeOf(outcome: UpdateOutcome): number {
  return outcome.kind === "failed" ? outcome.rcode : Rcode.NoError;
}

function evaluate(entries: readonly Entry[], prerequisites: readonly Entry[] = []): UpdateOutcome {
  return evaluateUpdate(update(entries, prerequisites), context);
}

/** Values that are set, and those that end. */
function editOf(outcome: UpdateOutcome): readonly [set: readonly string[], ended: readonly string[]] {
  if (outcome.kind === "failed") throw new Error(outcome.detail);
  return [outcome.edit.set.map(({ value }) => value), outcome.edit.ended.map(({ value }) => value)];
}

describe("an UPDATE that is right", () => {
  test.each<[string, readonly Entry[], readonly string[], readonly string[]]>([
    ["adds a value (RFC 2136 §2.5.1)", [add("new")], ["new"], []],
    [
      "takes the place of all, as lego's RemoveRRset and Insert do (RFC 2136 §2.5.2)",
      [[WWW, TXT, ANY], add("new")],
      ["new"],
      ["old"],
    ],
    ["removes all that a name has (RFC 2136 §2.5.3)", [[WWW, RRType.ANY, ANY]], [], ["old"]],
    [
      "removes one RR, as certbot's cleanup does (RFC 2136 §2.5.4)",
      [[WWW, TXT, NONE, text("old")]],
      [],
      ["old"],
    ],
    [
      "removes what is not there, and nothing happens (RFC 2136 §3.4.2.4)",
      [[WWW, TXT, NONE, text("no")]],
      [],
      [],
    ],
    ["adds what is there, which gets a new end", [add("old")], ["old"], []],
    [
      "adds and removes in the order of the message (RFC 2136 §3.4.2)",
      [add("new"), [WWW, TXT, ANY]],
      [],
      ["old"],
    ],
    [
      "adds below a name that is granted with all below it",
      [add("new", "_acme-challenge.a.b.apps.example.")],
      ["new"],
      [],
    ],
    [
      "adds what the zone file says already (RFC 2136 §3.4.2.2)",
      [add("file", "_acme-challenge.fixed.example.")],
      [],
      [],
    ],
    ["adds beside what the zone file says", [add("new", "_acme-challenge.fixed.example.")], ["new"], []],
    ["is empty", [], [], []],
  ])("%s", (_what, entries, set, ended) => {
    expect(editOf(evaluate(entries))).toEqual([set, ended]);
  });

  test("says who, and until when", () => {
    const outcome = evaluate([[WWW.toUpperCase(), TXT, IN, text("new"), 9]]);
    expect(outcome.kind === "edit" && outcome.edit.set).toEqual([
      { owner: WWW, value: "new", author: "key k", createdMs: NOW, untilMs: NOW + 500 },
    ]);
  });
});

describe("an UPDATE that is not", () => {
  test.each<[string, readonly Entry[], Rcode]>([
    ["of a name that is not granted", [add("x", "_acme-challenge.ns.example.")], Rcode.Refused],
    ["of a name that is no challenge (RFC 2136 §3.3)", [add("x", "www.example.")], Rcode.Refused],
    ["of another type", [[WWW, A, IN, Uint8Array.of(1, 2, 3, 4), 60]], Rcode.Refused],
    ["that deletes another RRset", [[WWW, A, ANY]], Rcode.Refused],
    ["of two strings", [[WWW, TXT, IN, Uint8Array.of(1, 97, 1, 98), 60]], Rcode.Refused],
    ["of an empty string", [[WWW, TXT, IN, Uint8Array.of(0), 60]], Rcode.Refused],
    ["of octets that are not printable", [[WWW, TXT, IN, Uint8Array.of(1, 7), 60]], Rcode.Refused],
    [
      "of an alias, whose challenge belongs where it leads",
      [add("x", "_acme-challenge.alias.example.")],
      Rcode.Refused,
    ],
    ["below a delegation", [add("x", "_acme-challenge.sub.example.")], Rcode.Refused],
    [
      "of an RR of the zone file",
      [["_acme-challenge.fixed.example.", TXT, NONE, text("file")]],
      Rcode.Refused,
    ],
    ["of an RRset of the zone file", [["_acme-challenge.fixed.example.", TXT, ANY]], Rcode.Refused],
    ["of a name of the zone file", [["_acme-challenge.fixed.example.", RRType.ANY, ANY]], Rcode.Refused],
    ["of good and bad, as a whole (RFC 2136 §3)", [add("good"), add("x", "www.example.")], Rcode.Refused],
    ["of a name in another zone of ours", [add("x", "_acme-challenge.inner.example.")], Rcode.NotZone],
    [
      "of a name in no zone of ours (RFC 2136 §3.4.1.3)",
      [add("x", "_acme-challenge.www.test.")],
      Rcode.NotZone,
    ],
    ["of a meta-type", [[WWW, RRType.AXFR, IN, NOTHING, 60]], Rcode.FormErr],
    ["that deletes an RRset with a TTL", [[WWW, TXT, ANY, NOTHING, 1]], Rcode.FormErr],
    ["that deletes an RRset with RDATA", [[WWW, TXT, ANY, text("x")]], Rcode.FormErr],
    ["that deletes a meta-type", [[WWW, RRType.AXFR, ANY]], Rcode.FormErr],
    ["that deletes an RR with a TTL", [[WWW, TXT, NONE, text("x"), 1]], Rcode.FormErr],
    ["that deletes an RR of type ANY", [[WWW, RRType.ANY, NONE]], Rcode.FormErr],
    ["of another class", [[WWW, TXT, RRClass.CH, text("x")]], Rcode.FormErr],
    [
      "of more values than one name may have",
      Array.from({ length: 33 }, (_, i) => add(`v${i}`)),
      Rcode.Refused,
    ],
  ])("is refused: %s", (_what, entries, rcode) => {
    expect(rcodeOf(evaluate(entries))).toBe(rcode);
  });

  test("for a zone that is not ours, not an apex, or another class, is NOTAUTH (RFC 2136 §3.1.2)", () => {
    expect(rcodeOf(evaluateUpdate(update([], [], "test."), context))).toBe(Rcode.NotAuth);
    expect(rcodeOf(evaluateUpdate(update([], [], "www.example."), context))).toBe(Rcode.NotAuth);
    const question = { qname: name("example."), qtype: RRType.SOA, qclass: RRClass.CH };
    expect(rcodeOf(evaluateUpdate({ ...update([]), questions: [question] }, context))).toBe(Rcode.NotAuth);
  });

  test("whose zone section is not one SOA is FORMERR (RFC 2136 §3.1.1)", () => {
    const [soa] = update([]).questions;
    if (soa === undefined) throw new Error("no zone");
    for (const questions of [[], [soa, soa], [{ ...soa, qtype: A }]])
      expect(rcodeOf(evaluateUpdate({ ...update([]), questions }, context))).toBe(Rcode.FormErr);
  });

  test("when there are too many challenges is refused", () => {
    const challenges = Array.from({ length: 10_000 }, (_, i) =>
      challenge("x", `_acme-challenge.n${i}.example.`),
    );
    expect(rcodeOf(evaluateUpdate(update([add("new")]), { ...context, challenges }))).toBe(Rcode.Refused);
  });
});

describe("prerequisites (RFC 2136 §2.4, §3.2)", () => {
  const address = (last: number): Uint8Array => Uint8Array.of(192, 0, 2, last);
  const mail = Uint8Array.from([0, 10, ...name("mAIL.example.")]);
  test.each<[string, readonly Entry[], Rcode]>([
    ["RRset exists: it does (§2.4.1)", [["www.example.", A, ANY]], Rcode.NoError],
    ["RRset exists: it does not", [["www.example.", TXT, ANY]], Rcode.NXRRSet],
    ["RRset exists: a challenge", [[WWW, TXT, ANY]], Rcode.NoError],
    ["RRset exists: a steered one", [["steered.example.", A, ANY]], Rcode.NoError],
    ["RRset exists: another type of a steered name", [["steered.example.", MX, ANY]], Rcode.NXRRSet],
    [
      "RRset with this RDATA: in any order (§2.4.2)",
      [
        ["www.example.", A, IN, address(2)],
        ["WWW.example.", A, IN, address(1)],
      ],
      Rcode.NoError,
    ],
    ["RRset with this RDATA: one is missing", [["www.example.", A, IN, address(2)]], Rcode.NXRRSet],
    [
      "RRset with this RDATA: one is other",
      [
        ["www.example.", A, IN, address(2)],
        ["www.example.", A, IN, address(3)],
      ],
      Rcode.NXRRSet,
    ],
    ["RRset with this RDATA: names in another case", [["www.example.", MX, IN, mail]], Rcode.NoError],
    ["RRset with this RDATA: there is none", [["www.example.", TXT, IN, text("x")]], Rcode.NXRRSet],
    [
      "RRset with this RDATA: a steered one has none that is fixed",
      [["steered.example.", A, IN, address(1)]],
      Rcode.NXRRSet,
    ],
    ["RRset does not exist: it does not (§2.4.3)", [["www.example.", TXT, NONE]], Rcode.NoError],
    ["RRset does not exist: it does", [["www.example.", A, NONE]], Rcode.YXRRSet],
    ["name is in use: it is (§2.4.4)", [["www.example.", RRType.ANY, ANY]], Rcode.NoError],
    ["name is in use: by a challenge alone", [[WWW, RRType.ANY, ANY]], Rcode.NoError],
    ["name is in use: it is steered", [["steered.example.", RRType.ANY, ANY]], Rcode.NoError],
    ["name is in use: it is not", [["none.example.", RRType.ANY, ANY]], Rcode.NXDomain],
    ["name is not in use: it is not (§2.4.5)", [["none.example.", RRType.ANY, NONE]], Rcode.NoError],
    ["name is not in use: it is", [["www.example.", RRType.ANY, NONE]], Rcode.YXDomain],
    ["a name outside the zone", [["www.test.", RRType.ANY, ANY]], Rcode.NotZone],
    ["a TTL", [["www.example.", A, ANY, NOTHING, 1]], Rcode.FormErr],
    ["RDATA where there can be none", [["www.example.", A, ANY, address(1)]], Rcode.FormErr],
    ["another class", [["www.example.", A, RRClass.CH]], Rcode.FormErr],
  ])("%s", (_what, prerequisites, rcode) => {
    expect(rcodeOf(evaluate([add("new")], prerequisites))).toBe(rcode);
  });
});
