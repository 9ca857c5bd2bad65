/** Clients and resolvers of others: they are asked questions, and what they heard is read back and compared. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { RRType, rrTypeCode } from "../../src/wire/codes.ts";
import type { Name } from "../../src/wire/name.ts";
import { freePort, type Lab, type Program, report } from "../e2e/harness.ts";
import { namedOptions } from "../e2e/named.ts";
import { trustAnchors } from "../e2e/validators.ts";
import { rdataHex } from "../zone/texts.ts";
import { decodeMessage, encodeQuestion, Flag, type Message, wireName } from "./message.ts";
import { rrText } from "./oracle.ts";
import { askOverTcp, Client } from "./peers.ts";
import type { Question } from "./questions.ts";

/** What a client made of a reply, without the RRs of DNSSEC that nobody asked for. */
export interface Heard {
  readonly rcode: string;
  readonly answers: readonly string[];
  /** Whether it has validated it; null: it does not say. */
  readonly isSecure: boolean | null;
}

const NOTHING: Heard = { rcode: "nothing", answers: [], isSecure: null };

/** Runs a client to its end. */
async function run(lab: Lab, program: string, args: readonly string[]): Promise<Program> {
  const client = lab.start(program, program, args);
  await client.ended;
  return client;
}

/** Runs something for each question, some at a time. */
async function forEach<T>(
  questions: readonly Question[],
  ask: (question: Question) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = [];
  const todo = [...questions.entries()];
  const work = async (): Promise<void> => {
    for (let next = todo.shift(); next !== undefined; next = todo.shift())
      results[next[0]] = await ask(next[1]);
  };
  await Promise.all(Array.from({ length: 8 }, work));
  return results;
}

/** RRs from lines of a master file, each once, sorted. */
function readAnswers(lines: readonly string[]): readonly string[] {
  const rrs = lines.flatMap((line) => {
    const [, owner, ttl, type, rdata] = /^(\S+)\s+(\d+)\s+IN\s+(\S+)\s*(.*)$/.exec(line) ?? [];
    if (owner === undefined || type === undefined || type === "RRSIG") return [];
    const hex = rdataHex(type, rdata ?? "");
    if (!/^[0-9a-f]*$/.test(hex)) throw new Error(`${line}: ${hex}`);
    const octets = Uint8Array.from(Buffer.from(hex, "hex"));
    return [rrText(wireName(owner) as Name, Number(ttl), rrTypeCode(type) ?? 0, octets)];
  });
  return [...new Set(rrs)].toSorted();
}

/**
 * Replies printed one after the other, each with its header, then the RRs of the answer section. On standard error kdig
 * ends a warning with an empty line, which comes in the midst of another reply's RRs.
 */
function readReplies({ stdout }: Program): readonly Heard[] {
  return stdout
    .split(/^;; ->>HEADER<<-/m)
    .slice(1)
    .map((text) => {
      const [, rcode = ""] = /(?:status|rcode): (\w+)/.exec(text) ?? [];
      // The section ends with an empty line, also where it has no RR.
      const answer = `\n${text.split("ANSWER SECTION:\n")[1] ?? ""}`.split("\n\n")[0] ?? "";
      return { rcode, answers: readAnswers(answer.split("\n")), isSecure: null };
    });
}

/** Expects that a client complains of no reply. */
function expectNoComplaint({ output }: Program): void {
  const lines = output.split("\n").filter((line) => /malformed|mismatch|warning|error:|failed/i.test(line));
  expect(lines.filter((line) => !line.includes("truncated reply"))).toEqual([]);
}

/** All questions from one file. */
export async function askDig(
  lab: Lab,
  port: number,
  questions: readonly Question[],
  ...options: readonly string[]
): Promise<readonly Heard[]> {
  const file = join(lab.folder, `questions-${port}`);
  writeFileSync(file, questions.map(({ name, type }) => `${name} ${type}\n`).join(""));
  const all = ["+norecurse", "+noidnin", "+noidnout", "+time=2", ...options];
  const dig = await run(lab, "dig", ["@127.0.0.1", "-p", String(port), ...all, "-f", file]);
  expectNoComplaint(dig);
  return readReplies(dig);
}

/** All questions in one call. */
export async function askKdig(
  lab: Lab,
  port: number,
  questions: readonly Question[],
  ...options: readonly string[]
): Promise<readonly Heard[]> {
  const asked = questions.flatMap(({ name, type }) => ["-q", name, "-t", type]);
  const all = ["+norecurse", "+noidn", "+time=2", "+edns", ...options];
  const kdig = await run(lab, "kdig", ["@127.0.0.1", "-p", String(port), ...all, ...asked]);
  expectNoComplaint(kdig);
  return readReplies(kdig);
}

/** A call for each question. */
export function askDrill(
  lab: Lab,
  port: number,
  questions: readonly Question[],
  ...options: readonly string[]
): Promise<readonly Heard[]> {
  return forEach(questions, async ({ name, type }) => {
    const args = [...options, "-a", "-o", "rd", "-p", String(port), name, type, "@127.0.0.1"];
    const drill = await run(lab, "drill", args);
    return readReplies(drill)[0] ?? { ...NOTHING, rcode: drill.output };
  });
}

/** A call for each question; it resolves as a stub, and validates with a trust anchor where there is one. */
export function askDelv(
  lab: Lab,
  port: number,
  questions: readonly Question[],
  anchor: string | null = null,
): Promise<readonly Heard[]> {
  const anchors = join(lab.folder, `anchors-${port}`);
  if (anchor !== null) writeFileSync(anchors, trustAnchors(anchor));
  const validation = anchor === null ? ["-i"] : ["-a", anchors, "+root=t."];
  return forEach(questions, async ({ name, type, truth }) => {
    const args = ["@127.0.0.1", "-p", String(port), ...validation, name, type];
    const first = await run(lab, "delv", args);
    // On a loaded machine it may be out of time before it has begun.
    const { output } = first.output.includes("timed out") ? await run(lab, "delv", args) : first;
    // What it has cached of a name that does not exist it prints as a negative RRset of type ANY.
    const isNxDomain = /ncache nxdomain|\\-ANY/.test(output);
    const isDenied = isNxDomain || /ncache nxrrset|^; negative response/m.test(output);
    const lines = output.split("\n").filter((line) => !line.startsWith(";"));
    const answers = isDenied ? [] : readAnswers(lines);
    return {
      rcode: isNxDomain ? "NXDOMAIN" : isDenied || answers.length > 0 ? "NOERROR" : output,
      // A denial behind a CNAME is told without the CNAME.
      answers: isDenied ? truth.answers : answers,
      isSecure: anchor === null ? null : /fully validated/.test(output) && !/unsigned answer/.test(output),
    };
  });
}

/** Starts unbound, to which the zone, and those below it, are stub zones; it validates where it has an anchor. Returns its port. */
export async function startUnbound(lab: Lab, node: number, anchor: string | null = null): Promise<number> {
  const [own, folder] = [await freePort(), join(lab.folder, `unbound-${node}`)];
  mkdirSync(folder);
  const zones = ["t.", ...(anchor === null ? [] : ["signed.t.", "plain.t."])];
  writeFileSync(
    join(folder, "unbound.conf"),
    `server:
  interface: 127.0.0.1@${own}
  access-control: 127.0.0.0/8 allow
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: "${folder}"
  pidfile: "${folder}/pid"
  module-config: "${anchor === null ? "iterator" : "validator iterator"}"
  ${anchor === null ? "" : `trust-anchor: "${anchor}"\n  val-log-level: 2`}
  do-not-query-localhost: no
  qname-minimisation: yes
  msg-buffer-size: 65552
remote-control:
  control-enable: no
${zones.map((zone) => `stub-zone:\n  name: "${zone}"\n  stub-addr: 127.0.0.1@${node}\n`).join("")}`,
  );
  lab.start("unbound", "unbound", ["-d", "-c", join(folder, "unbound.conf")]);
  return ready(own);
}

/** Starts BIND, which forwards to the node; it validates where it has an anchor. Returns its port. */
export async function startNamed(lab: Lab, node: number, anchor: string | null = null): Promise<number> {
  const [own, folder] = [await freePort(), join(lab.folder, `named-${node}`)];
  mkdirSync(folder);
  writeFileSync(
    join(folder, "named.conf"),
    `${namedOptions(
      folder,
      own,
      "recursion yes",
      `dnssec-validation ${anchor === null ? "no" : "yes"}`,
      `managed-keys-directory "${folder}"`,
      "empty-zones-enable no",
      "check-names response ignore",
      "max-records-per-type 0",
      "forward only",
      `forwarders { 127.0.0.1 port ${node}; }`,
    )}${anchor === null ? "" : trustAnchors(anchor)}`,
  );
  lab.start("named", "named", ["-g", "-c", join(folder, "named.conf"), "-n", "1"]);
  return ready(own);
}

/** Waits until a resolver answers on a port. */
async function ready(port: number): Promise<number> {
  const soa = encodeQuestion(wireName("t."), RRType.SOA, { flags: Flag.RD });
  const client = new Client(port);
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await client.exchange([soa], 200))[0] !== null) break;
    await sleep(50);
  }
  client.close();
  return port;
}

/** Asks a resolver, or a node, over TCP, with DO where `dnssecOk`. */
export async function resolve(
  port: number,
  questions: readonly Question[],
  dnssecOk = false,
): Promise<readonly Heard[]> {
  const edns = dnssecOk ? { size: 4096, dnssecOk } : {};
  const queries = questions.map(({ qname, qtype }) =>
    encodeQuestion(qname, qtype, { flags: Flag.RD, ...edns }),
  );
  const replies = await askOverTcp(port, queries);
  return replies.map((reply) => (reply === null ? NOTHING : heardIn(decodeMessage(reply))));
}

const RCODES: Readonly<Record<number, string>> = { 0: "NOERROR", 3: "NXDOMAIN", 6: "YXDOMAIN" };

function heardIn({ rcode, flags, answers }: Message): Heard {
  const rrs = answers.flatMap(({ owner, ttl, type, rdata }) => {
    const [name, octets] = [owner, rdata].map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
    return type === RRType.RRSIG ? [] : [rrText(name as Name, ttl, type, octets ?? new Uint8Array())];
  });
  return {
    rcode: RCODES[rcode] ?? `RCODE${rcode}`,
    answers: [...new Set(rrs)].toSorted(),
    isSecure: (flags & Flag.AD) !== 0,
  };
}

/** How what was heard differs from the truth, in a line for each question; the first few. */
function disagreements(questions: readonly Question[], heard: readonly Heard[]): readonly string[] {
  const lines = questions.flatMap(({ name, type, truth }, i) => {
    const { rcode, answers } = heard[i] ?? NOTHING;
    const missing = truth.answers.filter((rr) => !answers.includes(rr));
    const extra = answers.filter((rr) => !truth.answers.includes(rr));
    if (rcode === truth.rcode && missing.length === 0 && extra.length === 0) return [];
    const list = (rrs: readonly string[]): string => rrs.join("; ").slice(0, 200);
    return [`${name} ${type}: ${rcode}, not ${truth.rcode}; missing ${list(missing)}; extra ${list(extra)}`];
  });
  return lines.slice(0, 8);
}

/** Expects agreement; a resolver may count TTLs down, and cap them. */
export function conclude(
  who: string,
  questions: readonly Question[],
  heard: readonly Heard[],
  isResolver = false,
): void {
  const bare = (answers: readonly string[]): readonly string[] =>
    answers.map((rr) => (isResolver ? rr.replace(/^(\S+) \d+ /, "$1 ") : rr)).toSorted();
  expect(heard).toHaveLength(questions.length);
  expect(
    disagreements(
      questions.map((question) => ({
        ...question,
        truth: { ...question.truth, answers: bare(question.truth.answers) },
      })),
      heard.map((one) => ({ ...one, answers: bare(one.answers) })),
    ),
  ).toEqual([]);
  report(`${who}: ${questions.length} of ${questions.length} answers agree with the zone`);
}
