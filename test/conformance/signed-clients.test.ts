/** The torture zone, signed: every signature is right, validators find every answer secure, and nothing else differs from the unsigned zone. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "dns-packet";
import { beforeAll, describe, expect, test } from "vitest";
import { RRType } from "../../src/wire/codes.ts";
import type { Name } from "../../src/wire/name.ts";
import { zoneOf } from "../answer/harness.ts";
import { has, report, useLab } from "../e2e/harness.ts";
import { anchorOf } from "../e2e/validators.ts";
import {
  askDelv,
  askDig,
  askDrill,
  askKdig,
  conclude,
  type Heard,
  resolve,
  startNamed,
  startUnbound,
} from "./clients.ts";
import { listed } from "./differential.ts";
import { decodeMessage, encodeQuestion, Flag, type Message, type RR, wireName } from "./message.ts";
import { truthOf } from "./oracle.ts";
import { askOverTcp, Client } from "./peers.ts";
import { deniesName, faultsIn, keysIn, type ZoneKeys } from "./proof.ts";
import { isResolvable, type Question, questionOf, questionsOf } from "./questions.ts";
import { CHILD_QNAMES, CHILDREN, QNAMES, STEERED_QNAMES } from "./torture.ts";
import { startTortureNode, type TortureNode } from "./torture-node.ts";

const lab = useLab();
const hex = (name: string): string => Buffer.from(wireName(name)).toString("hex");

describe.each(["ecdsap256sha256", "ed25519"])("signed with %s", { timeout: 120_000 }, (algorithm) => {
  let node: TortureNode;
  let anchor: string;
  /** What the zone says, and how it is said with signatures: of a name that does not exist that it has no types. */
  let asked: readonly Question[];
  let resolved: readonly Question[];

  beforeAll(async () => {
    node = await startTortureNode(lab, { algorithm });
    anchor = anchorOf(node, "t");
    const known = [...questionsIn(node), ...questionsBelow(node)];
    const others = otherQuestions();
    const heard = await resolve(node.port, others);
    const all = [
      ...known,
      ...others.map((question, i) => {
        const { rcode = "", answers = [] } = heard[i] ?? {};
        return { ...question, truth: { ...question.truth, rcode: rcode as "NOERROR", answers } };
      }),
    ];
    asked = all.filter(({ truth }) => truth.end !== "loop").map(denied);
    resolved = asked.filter(isResolvable);
  });

  /** Where each question takes a process of its own, the second algorithm is asked one in eight. */
  const isChosen = (_question: Question, i: number): boolean => algorithm !== "ed25519" || i % 8 === 0;

  test("every signature is right, all that must be signed is, and nothing else differs (RFC 4035 §3.1)", async () => {
    const zones = new Map(
      await Promise.all(
        ["t.", "signed.t."].map(async (apex): Promise<[string, ZoneKeys]> => {
          const query = encodeQuestion(wireName(apex), RRType.DNSKEY);
          const [reply] = await ask([query]);
          return [hex(apex), keysIn(reply?.answers ?? [])];
        }),
      ),
    );
    const cuts = questionsIn(node).flatMap(({ name, type }) => (type === "DS" ? [hex(name)] : []));
    const questions = [...asked, ...questionsIn(node).filter(({ truth }) => truth.end === "loop")];
    const query = (size: number | null, dnssecOk: boolean): readonly Uint8Array[] =>
      questions.map(({ qname, qtype }) => encodeQuestion(qname, qtype, { size, dnssecOk }));
    const [plain, signed] = [await ask(query(1232, false)), await ask(query(1232, true))];
    const overUdp = await askUdp(query(1232, true));
    const faults = questions.flatMap(({ name, type, qtype }, i) => {
      const [without, withProof, small] = [plain[i], signed[i], overUdp[i]];
      if (without === undefined || withProof === undefined || small === undefined)
        return [`${name} ${type}: no reply`];
      const isCut = (small.flags & Flag.TC) !== 0;
      return [
        ...faultsIn(withProof, zones, cuts),
        ...differences(without, withProof, qtype),
        ...(isCut ? [] : differences(small, withProof, qtype)),
      ].map((fault) => `${name} ${type}: ${fault}`);
    });
    report(`${questions.length} questions, each over TCP and UDP: every signature is right`);
    expect(faults.slice(0, 8)).toEqual([]);
  });

  /** Asks over TCP; dns-packet reads what the strict decoder has read. */
  async function ask(queries: readonly Uint8Array[]): Promise<readonly Message[]> {
    return (await askOverTcp(node.port, queries)).map(read);
  }

  async function askUdp(queries: readonly Uint8Array[]): Promise<readonly Message[]> {
    const client = new Client(node.port);
    const replies: Message[] = [];
    for (let from = 0; from < queries.length; from += 50)
      replies.push(...(await client.exchange(queries.slice(from, from + 50))).map(read));
    client.close();
    return replies;
  }

  test.skipIf(!has("dig"))("dig reads every answer (needs dig)", async () => {
    conclude("dig +dnssec", asked, await askDig(lab, node.port, asked, "+dnssec"));
  });

  test.skipIf(!has("kdig"))("kdig reads every answer (needs kdig)", async () => {
    conclude("kdig +dnssec", asked, await askKdig(lab, node.port, asked, "+dnssec"));
  });

  test.skipIf(!has("drill"))("drill reads every answer (needs drill)", async () => {
    const questions = asked.filter(isChosen);
    conclude("drill -D", questions, await askDrill(lab, node.port, questions, "-D"));
  });

  test.skipIf(!has("delv"))("delv finds every answer secure or insecure as it is (needs delv)", async () => {
    const questions = resolved.filter(({ truth }) => !truth.answers.some((rr) => rr.includes(" DNAME ")));
    const chosen = questions.filter(isChosen);
    concludeSecure("delv", chosen, await askDelv(lab, node.port, chosen, anchor));
  });

  test.skipIf(!has("unbound"))(
    "unbound finds every answer secure or insecure as it is (needs unbound)",
    async () => {
      const port = await startUnbound(lab, node.port, anchor);
      const questions = resolved.filter((question) => !meetsDnameTwice(question));
      concludeSecure("unbound", questions, await resolve(port, questions, true));
    },
  );

  test.skipIf(!has("named"))(
    "BIND finds every answer secure or insecure as it is (needs named)",
    async () => {
      const port = await startNamed(lab, node.port, anchor);
      concludeSecure("BIND", resolved, await resolve(port, resolved, true));
    },
  );
});

/** Questions of the zone as the node has it. At a cut with a zone below, which is served too, only the DS is the parent's. */
function questionsIn({ folder }: TortureNode): readonly Question[] {
  const zone = zoneOf(readFileSync(join(folder, "t.zone"), "utf8"));
  const ofCuts = questionsOf(zone, Object.keys(CHILDREN));
  return [...questionsOf(zone, QNAMES), ...ofCuts.filter(({ qtype }) => qtype === RRType.DS)];
}

/** Questions of the zones below, whose CNAMEs may lead back up. */
function questionsBelow({ folder }: TortureNode): readonly Question[] {
  const above = zoneOf(readFileSync(join(folder, "t.zone"), "utf8"));
  return Object.entries(CHILDREN).flatMap(([apex, text]) => {
    const qnames = CHILD_QNAMES.filter((name) => name.endsWith(apex));
    const questions = questionsOf(zoneOf(text), qnames).filter(({ qtype }) => qtype !== RRType.DS);
    return questions.map((question) => {
      if (question.truth.end !== "elsewhere") return question;
      const rest = truthOf(above, wireName("target.t.") as Name, question.qtype);
      return {
        ...question,
        truth: { ...rest, answers: [...question.truth.answers, ...rest.answers].toSorted() },
      };
    });
  });
}

/** Questions to which the zone file has no answer: steered names, and the RRsets of the keys. */
function otherQuestions(): readonly Question[] {
  const truth = { rcode: "NOERROR", answers: [], end: "here" } as const;
  const of = (name: string, types: readonly number[]): readonly Question[] =>
    types.map((type) => questionOf(wireName(name) as Name, type, truth));
  return [
    ...STEERED_QNAMES.flatMap((name) => of(name, [RRType.A, RRType.AAAA, RRType.HTTPS, RRType.TXT])),
    ...["t.", "signed.t."].flatMap((apex) => of(apex, [RRType.DNSKEY, RRType.CDS, RRType.CDNSKEY])),
  ];
}

/** Who wants proofs is told of a name that does not exist that it has no types (RFC 9824 §4). */
function denied(question: Question): Question {
  const { truth, name } = question;
  if (truth.rcode !== "NXDOMAIN" || name.endsWith(".plain.t.")) return question;
  return { ...question, truth: { ...truth, rcode: "NOERROR" } };
}

/** Insecure is what lies in the zone that is not signed, and nothing else. */
function concludeSecure(who: string, questions: readonly Question[], heard: readonly Heard[]): void {
  const wrong = questions.flatMap(({ name, type }, i) => {
    const { isSecure = null, rcode = "" } = heard[i] ?? {};
    const mustBe = !`.${name}`.endsWith(".plain.t.") || type === "DS";
    return isSecure === mustBe ? [] : [`${name} ${type}: ${rcode}, secure: ${isSecure}`];
  });
  expect(wrong).toEqual([]);
  conclude(who, questions, heard, true);
}

function read(reply: Buffer | null): Message {
  if (reply === null) throw new Error("no reply");
  decode(reply);
  return decodeMessage(reply);
}

/** In what a reply with proofs differs from the one without, the proofs aside. */
function differences(plain: Message, signed: Message, qtype: number): readonly string[] {
  const proofs: readonly number[] = [RRType.RRSIG, RRType.NSEC, RRType.DS].filter((type) => type !== qtype);
  const bare = (rrs: readonly RR[]): string => listed(rrs.filter(({ type }) => !proofs.includes(type)));
  const isDenied = plain.rcode === 3 && signed.rcode === 0 && deniesName(signed);
  const flags = (message: Message): number => message.flags & ~15;
  return [
    plain.rcode === signed.rcode || isDenied ? null : `RCODE ${signed.rcode}, not ${plain.rcode}`,
    flags(plain) === flags(signed) ? null : `flags ${signed.flags.toString(16)}`,
    bare(plain.answers) === bare(signed.answers) ? null : "another answer",
    bare(plain.authorities) === bare(signed.authorities) ? null : "another authority section",
    // Glue is there; addresses of others that the client could ask for are not.
    bare(plain.additionals) === bare(signed.additionals) ||
    (plain.answers.length > 0 && signed.additionals.length === 0)
      ? null
      : "another additional section",
  ].filter((fault) => fault !== null);
}

/**
 * Whether an answer leads through one DNAME twice. unbound 1.17 asks for a DS at the second CNAME made from it, and gives up
 * when it gets that DNAME again; it does so too when Knot or NSD have signed the zone beforehand.
 */
function meetsDnameTwice({ truth }: Question): boolean {
  const rrs = truth.answers.map((rr) => rr.split(" "));
  return rrs.some(
    ([dname = "", , type]) =>
      type === "DNAME" &&
      rrs.filter(([owner = "", , made]) => made === "CNAME" && owner.endsWith(`.${dname}`)).length > 1,
  );
}
