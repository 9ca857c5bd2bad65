/** dig, kdig, drill, delv, unbound and BIND get from a real node what the torture zone says. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { RRType, rrTypeCode, rrTypeName } from "../../src/wire/codes.ts";
import { formatName, type Name, nameKey } from "../../src/wire/name.ts";
import { zoneOf } from "../answer/harness.ts";
import { freePort, has, report, useLab } from "../e2e/harness.ts";
import { rdataHex } from "../zone/texts.ts";
import { decodeMessage, encodeQuestion, Flag, type Message, wireName } from "./message.ts";
import { rrText, type Truth, truthOf } from "./oracle.ts";
import { askOverTcp, Client } from "./peers.ts";
import { QNAMES, TORTURE } from "./torture.ts";
import { startTortureNode } from "./torture-node.ts";

const lab = useLab();
const zone = zoneOf(TORTURE);
let port: number;
beforeAll(async () => {
  ({ port } = await startTortureNode(lab));
});

/** One question, and what the zone says to it. */
interface Question {
  readonly qname: Name;
  readonly qtype: number;
  readonly name: string;
  readonly type: string;
  readonly truth: Truth;
}

/** Every name with each type that it has, and with A, AAAA and TXT. */
const QUESTIONS: readonly Question[] = QNAMES.flatMap((text) => {
  const qname = wireName(text) as Name;
  const own = [...(zone.nodes.get(nameKey(qname))?.rrsets.keys() ?? [])];
  return [...new Set([RRType.A, RRType.AAAA, RRType.TXT, ...own])].map((qtype) => ({
    qname,
    qtype,
    name: formatName(qname),
    type: rrTypeName(qtype),
    truth: truthOf(zone, qname, qtype),
  }));
});

/** What a client made of a reply. */
interface Heard {
  readonly rcode: string;
  readonly answers: readonly string[];
}

/** Runs a client, and returns what it said. */
async function run(program: string, args: readonly string[]): Promise<string> {
  const client = lab.start(program, program, args);
  await client.ended;
  return client.output;
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
    if (owner === undefined || type === undefined) return [];
    const hex = rdataHex(type, rdata ?? "");
    if (!/^[0-9a-f]*$/.test(hex)) throw new Error(`${line}: ${hex}`);
    const octets = Uint8Array.from(Buffer.from(hex, "hex"));
    return [rrText(wireName(owner) as Name, Number(ttl), rrTypeCode(type) ?? 0, octets)];
  });
  return [...new Set(rrs)].toSorted();
}

/** Replies printed one after the other, each with its header, then the RRs of the answer section. */
function readReplies(output: string): readonly Heard[] {
  return output
    .split(/^;; ->>HEADER<<-/m)
    .slice(1)
    .map((text) => {
      const [, rcode = ""] = /(?:status|rcode): (\w+)/.exec(text) ?? [];
      // The section ends with an empty line, also where it has no RR.
      const answer = `\n${text.split("ANSWER SECTION:\n")[1] ?? ""}`.split("\n\n")[0] ?? "";
      return { rcode, answers: readAnswers(answer.split("\n")) };
    });
}

/** Lines in which a client complains of a reply. */
function complaintsIn(output: string): readonly string[] {
  const lines = output.split("\n").filter((line) => /malformed|mismatch|warning|error:|failed/i.test(line));
  return lines.filter((line) => !line.includes("truncated reply"));
}

/** How what was heard differs from the truth, in a line for each question; the first few. */
function disagreements(questions: readonly Question[], heard: readonly Heard[]): readonly string[] {
  const lines = questions.flatMap(({ name, type, truth }, i) => {
    const { rcode, answers } = heard[i] ?? { rcode: "nothing", answers: [] };
    const missing = truth.answers.filter((rr) => !answers.includes(rr));
    const extra = answers.filter((rr) => !truth.answers.includes(rr));
    if (rcode === truth.rcode && missing.length === 0 && extra.length === 0) return [];
    const list = (rrs: readonly string[]): string => rrs.join("; ").slice(0, 200);
    return [`${name} ${type}: ${rcode}, not ${truth.rcode}; missing ${list(missing)}; extra ${list(extra)}`];
  });
  return lines.slice(0, 8);
}

/** A loop has no end that all agree on, and what grows is not the zone's to say. */
const ASKED = QUESTIONS.filter(({ truth }) => truth.end !== "loop");

describe("clients agree with the zone", { timeout: 120_000 }, () => {
  test.skipIf(!has("dig"))("dig (needs dig)", async () => {
    const file = join(lab.folder, "questions");
    writeFileSync(file, ASKED.map(({ name, type }) => `${name} ${type}\n`).join(""));
    const options = ["+norecurse", "+noidnin", "+noidnout", "+time=2"];
    const output = await run("dig", ["@127.0.0.1", "-p", String(port), ...options, "-f", file]);
    expect(complaintsIn(output)).toEqual([]);
    conclude("dig", ASKED, readReplies(output));
  });

  test.skipIf(!has("kdig"))("kdig (needs kdig)", async () => {
    const questions = ASKED.flatMap(({ name, type }) => ["-q", name, "-t", type]);
    const options = ["+norecurse", "+noidn", "+time=2", "+edns"];
    const output = await run("kdig", ["@127.0.0.1", "-p", String(port), ...options, ...questions]);
    expect(complaintsIn(output)).toEqual([]);
    conclude("kdig", ASKED, readReplies(output));
  });

  test.skipIf(!has("drill"))("drill (needs drill)", async () => {
    const heard = await forEach(ASKED, async ({ name, type }) => {
      const output = await run("drill", ["-a", "-o", "rd", "-p", String(port), name, type, "@127.0.0.1"]);
      return readReplies(output)[0] ?? { rcode: output, answers: [] };
    });
    conclude("drill", ASKED, heard);
  });

  test.skipIf(!has("delv"))("delv (needs delv)", async () => {
    // It resolves as a stub: what is delegated or elsewhere is not ours to answer. A DNAME it prints under the qname.
    const questions = ASKED.filter(
      ({ truth: { end, rcode, answers } }) =>
        end === "here" && rcode !== "YXDOMAIN" && !answers.some((rr) => rr.includes(" DNAME ")),
    );
    const heard = await forEach(questions, async ({ name, type, truth }) => {
      const output = await run("delv", ["@127.0.0.1", "-p", String(port), "-i", name, type]);
      const isNxDomain = /ncache nxdomain/.test(output);
      const isNoData = /ncache nxrrset/.test(output);
      const answers = readAnswers(output.split("\n").filter((line) => !line.startsWith(";")));
      // A denial behind a CNAME is told without the CNAME.
      const hidden = (isNxDomain || isNoData) && answers.length === 0 ? truth.answers : answers;
      return { rcode: isNxDomain ? "NXDOMAIN" : "NOERROR", answers: hidden };
    });
    conclude("delv", questions, heard, true);
  });
});

describe("resolvers agree with the zone", { timeout: 120_000 }, () => {
  /** Not asked: what is delegated to servers that there are not, names of others, and what resolvers make of YXDOMAIN. */
  const questions = ASKED.filter(({ truth }) => truth.end === "here" && truth.rcode !== "YXDOMAIN");

  test.skipIf(!has("unbound"))("unbound, to which it is a stub zone (needs unbound)", async () => {
    const [own, folder] = [await freePort(), join(lab.folder, "unbound")];
    mkdirSync(folder);
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
  module-config: "iterator"
  do-not-query-localhost: no
  qname-minimisation: yes
  msg-buffer-size: 65552
remote-control:
  control-enable: no
stub-zone:
  name: "t."
  stub-addr: 127.0.0.1@${port}
`,
    );
    lab.start("unbound", "unbound", ["-d", "-c", join(folder, "unbound.conf")]);
    conclude("unbound", questions, await resolve(own), true);
  });

  test.skipIf(!has("named"))("BIND, which forwards to it (needs named)", async () => {
    const [own, folder] = [await freePort(), join(lab.folder, "named")];
    mkdirSync(folder);
    writeFileSync(
      join(folder, "named.conf"),
      `options {
  directory "${folder}";
  listen-on port ${own} { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  session-keyfile none;
  recursion yes;
  dnssec-validation no;
  empty-zones-enable no;
  check-names response ignore;
  max-records-per-type 0;
  forward only;
  forwarders { 127.0.0.1 port ${port}; };
};
controls { };
`,
    );
    lab.start("named", "named", ["-g", "-c", join(folder, "named.conf"), "-n", "1"]);
    conclude("BIND", questions, await resolve(own), true);
  });

  /** Waits until a resolver answers on a port, and asks it over TCP. */
  async function resolve(on: number): Promise<readonly Heard[]> {
    const client = new Client(on);
    const isThere = async (): Promise<boolean> =>
      (await client.exchange([encodeQuestion(wireName("t."), RRType.SOA, { flags: Flag.RD })], 200))[0] !==
      null;
    for (let tries = 0; tries < 100 && !(await isThere()); tries += 1) await sleep(50);
    client.close();
    const queries = questions.map(({ qname, qtype }) => encodeQuestion(qname, qtype, { flags: Flag.RD }));
    const replies = await askOverTcp(on, queries);
    return replies.map((reply) =>
      reply === null ? { rcode: "nothing", answers: [] } : heardIn(decodeMessage(reply)),
    );
  }
});

function heardIn({ rcode, answers }: Message): Heard {
  const rrs = answers.map(({ owner, ttl, type, rdata }) => {
    const [name, octets] = [owner, rdata].map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
    return rrText(name as Name, ttl, type, octets ?? new Uint8Array());
  });
  return {
    rcode: { 0: "NOERROR", 3: "NXDOMAIN" }[rcode] ?? `RCODE${rcode}`,
    answers: [...new Set(rrs)].toSorted(),
  };
}

/** Expects agreement; a resolver may count TTLs down, and cap them. */
function conclude(
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
      heard.map(({ rcode, answers }) => ({ rcode, answers: bare(answers) })),
    ),
  ).toEqual([]);
  report(`${who}: ${questions.length} of ${questions.length} answers agree with the zone`);
}
