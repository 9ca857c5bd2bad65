/** Asks the servers of a zone's parent for its DS, each of them, over TCP: nobody off the path can answer in their place. */

import { randomInt } from "node:crypto";
import { getServers } from "node:dns";
import { connect } from "node:net";
import type { RolloverConfig } from "../config/config.ts";
import type { Endpoint } from "../config/node.ts";
import { parseDnsServer } from "../config/units.ts";
import type { ParentView, ServerView } from "../dnssec/parent-ds.ts";
import { messageOf } from "../problem.ts";
import { addressOf } from "../wire/address.ts";
import { Rcode, RRClass, RRType } from "../wire/codes.ts";
import { HeaderBits, udpLengthMin } from "../wire/format.ts";
import { type Message, type MessageRR, MessageWriter, readMessage } from "../wire/message.ts";
import { formatName, type Name, parentOf, readName, sameName } from "../wire/name.ts";

/** How long one server may take. */
const ANSWER_MS_MAX = 4_000;
/** No zone has more that matter: the root has 13, each with two addresses. */
const SERVERS_MAX = 20;
const ADDRESSES_MAX = 4;
const DNS_PORT = 53;

/** A server with the addresses at which one answer is enough. */
interface Server {
  readonly name: string;
  readonly endpoints: readonly Endpoint[];
}

/** What all servers of the parent say now. It never throws: what goes wrong is in the view. */
export async function lookAtParent(
  apex: Name,
  { parent, resolver }: Pick<RolloverConfig, "parent" | "resolver">,
  nowMs: () => number,
): Promise<ParentView> {
  try {
    const servers =
      parent.length > 0
        ? parent.map((endpoint) => ({ name: endpoint.address.text, endpoints: [endpoint] }))
        : await parentServers(apex, resolver === null ? systemResolvers() : [resolver]);
    // The time before anybody was asked: what came to be so meanwhile was not seen.
    const atMs = nowMs();
    return { atMs, servers: await Promise.all(servers.map((server) => view(apex, server))), problem: null };
  } catch (cause) {
    return { atMs: nowMs(), servers: [], problem: messageOf(cause) };
  }
}

async function view(apex: Name, { name, endpoints }: Server): Promise<ServerView> {
  let problem = "it has no address";
  for (const endpoint of endpoints) {
    try {
      const { answers, flags } = await ask(endpoint, apex, RRType.DS, 0);
      if ((flags & HeaderBits.AA) === 0) throw new Error("it is no server of the parent zone");
      const rrs = of(answers, apex, RRType.DS);
      const ttlSeconds = rrs.length === 0 ? null : Math.max(...rrs.map((rr) => rr.ttlSeconds));
      return { kind: "answered", server: name, ds: rrs.map(({ rdata }) => rdata), ttlSeconds };
    } catch (cause) {
      problem = `${endpoint.address.text}: ${messageOf(cause)}`;
    }
  }
  return { kind: "silent", server: name, problem };
}

/** The servers of the closest zone above, and their addresses. */
async function parentServers(apex: Name, resolvers: readonly Endpoint[]): Promise<readonly Server[]> {
  for (let above = parentOf(apex); above !== null; above = parentOf(above)) {
    const found = of(await resolve(resolvers, above, RRType.NS), above, RRType.NS);
    const names = found.slice(0, SERVERS_MAX).flatMap(({ rdata }) => readName(rdata, 0, rdata.length) ?? []);
    if (names.length > 0) return Promise.all(names.map((name) => withAddresses(name, resolvers)));
  }
  throw new Error(`the resolver knows no zone above ${formatName(apex)}`);
}

async function withAddresses(name: Name, resolvers: readonly Endpoint[]): Promise<Server> {
  const rrs = await Promise.all([RRType.A, RRType.AAAA].map((type) => resolve(resolvers, name, type)));
  const endpoints = rrs
    .flat()
    .filter(({ type }) => type === RRType.A || type === RRType.AAAA)
    .map(({ rdata }) => ({ address: addressOf(rdata), port: DNS_PORT }));
  return { name: formatName(name), endpoints: endpoints.slice(0, ADDRESSES_MAX) };
}

/** The answer section that the first resolver gives which answers. */
async function resolve(
  resolvers: readonly Endpoint[],
  qname: Name,
  qtype: number,
): Promise<readonly MessageRR[]> {
  let problem = "there is no resolver";
  for (const resolver of resolvers) {
    try {
      return (await ask(resolver, qname, qtype, HeaderBits.RD)).answers;
    } catch (cause) {
      problem = `resolver ${resolver.address.text}: ${messageOf(cause)}`;
    }
  }
  throw new Error(problem);
}

function systemResolvers(): readonly Endpoint[] {
  return getServers().flatMap((text) => parseDnsServer(text) ?? []);
}

function of(rrs: readonly MessageRR[], owner: Name, type: number): readonly MessageRR[] {
  return rrs.filter((rr) => rr.type === type && rr.rrClass === RRClass.IN && sameName(rr.owner, owner));
}

/** A server's answer without an error; throws where there is none in time. */
async function ask(endpoint: Endpoint, qname: Name, qtype: number, flags: number): Promise<Message> {
  const id = randomInt(0x10000);
  const question = { qname, qtype, qclass: RRClass.IN };
  const query = new MessageWriter(id, flags, udpLengthMin).question(question).octets;
  const answer = readMessage(await exchange(endpoint, query));
  if (answer === null) throw new Error("its answer is malformed");
  const [asked] = answer.questions;
  const isOurs = asked !== undefined && sameName(asked.qname, qname) && asked.qtype === qtype;
  if (answer.id !== id || (answer.flags & HeaderBits.QR) === 0 || !isOurs)
    throw new Error("it answers something else");
  const rcode = answer.flags & HeaderBits.Rcode;
  if (rcode !== Rcode.NoError) throw new Error(`it answers with RCODE ${rcode}`);
  return answer;
}

/** Sends a message and takes one (RFC 7766 §8). */
function exchange({ address, port }: Endpoint, query: Uint8Array): Promise<Uint8Array> {
  return new Promise((settle, fail) => {
    const socket = connect({ host: address.text, port });
    const timer = setTimeout(() => socket.destroy(new Error("no answer in time")), ANSWER_MS_MAX);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      settle(new Uint8Array(received.subarray(2, 2 + received.readUInt16BE(0))));
      socket.destroy();
    });
    socket.on("error", fail);
    socket.on("close", () => {
      clearTimeout(timer);
      fail(new Error("it closed the connection"));
    });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.write(Buffer.concat([length, query]));
  });
}
