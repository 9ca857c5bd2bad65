/** Knot DNS and NSD serve the same zone; what they answer otherwise is listed, each with its reason (docs/conformance.md). */

import { afterAll, describe, expect, test } from "vitest";
import { Transport } from "../../src/answer/transport.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { RRType } from "../../src/wire/codes.ts";
import { nameKey } from "../../src/wire/name.ts";
import { Server, zoneOf } from "../answer/harness.ts";
import { keyOf, withKeys } from "../answer/validator.ts";
import { report, useLab } from "../e2e/harness.ts";
import { randomFrom } from "../e2e/random.ts";
import {
  type Asked,
  type Difference,
  differences,
  listed,
  randomQuery,
  withoutProof,
} from "./differential.ts";
import { decodeMessage, Flag, type Message } from "./message.ts";
import { askOverTcp, Client, isThere, KNOT, KNOT_SIGNING, NSD, type Peer, startPeer } from "./peers.ts";
import { TORTURE } from "./torture.ts";

/** Queries to each peer. */
const QUERIES = 20_000;
/** Queries to a peer that signs its replies. */
const SIGNED_QUERIES = 5_000;
const SEED = 3;
/** Queries under way at a time over UDP. */
const VOLLEY = 50;

/** A pair of replies to one query, both there. */
interface Pair {
  readonly asked: Asked;
  readonly ours: Message;
  readonly theirs: Message;
  readonly found: readonly Difference[];
}

/** A difference that is meant. */
interface Justified {
  readonly name: string;
  readonly peers: readonly Peer[];
  /** The parts of the reply that it accounts for. */
  readonly parts: readonly Difference[];
  explains(pair: Pair): boolean;
}

const isTruncated = ({ flags }: Message): boolean => (flags & Flag.TC) !== 0;
const isReferral = ({ flags, answers, authorities }: Message): boolean =>
  (flags & Flag.AA) === 0 && answers.length === 0 && authorities[0]?.type === RRType.NS;
const octetsOf = (label: string): string => Buffer.from(label, "latin1").toString("hex");
/** The owners of delegations. */
const CUTS: readonly string[] = [...zoneOf(TORTURE).nodes.values()]
  .filter(({ rrsets }) => rrsets.has(RRType.NS) && !rrsets.has(RRType.SOA))
  .map(({ name }) => octetsOf(nameKey(name)));
/** The DNAME and the CNAMEs that its loop makes. */
const isGrowing = ({ ours, theirs }: Pair): boolean =>
  [ours, theirs].some(({ answers }) => answers.some(({ owner }) => owner === `05${octetsOf("dloop")}017400`));

/** The rows of the table in docs/conformance.md. */
const JUSTIFIED: readonly Justified[] = [
  {
    name: "ANY gets one RRset",
    peers: [KNOT, KNOT_SIGNING, NSD],
    parts: ["answer", "authority", "additional", "truncation"],
    explains: ({ asked }) => asked.qtype === RRType.ANY,
  },
  {
    name: "a DNAME that leads below itself is followed eight times",
    peers: [KNOT, KNOT_SIGNING, NSD],
    parts: ["answer", "truncation"],
    explains: isGrowing,
  },
  {
    name: "a wildcard CNAME that leads to itself is in the answer once",
    peers: [KNOT, KNOT_SIGNING, NSD],
    parts: ["answer"],
    explains: ({ ours, theirs }) => {
      const [few, many] = [ours, theirs].map(({ answers }) => listed(answers).split("\n"));
      return few?.join() === [...new Set(many)].join();
    },
  },
  {
    name: "a target too long for a name is YXDOMAIN",
    peers: [KNOT, KNOT_SIGNING],
    parts: ["rcode", "authority"],
    explains: ({ ours, theirs }) => ours.rcode === 6 && theirs.rcode !== 6,
  },
  {
    name: "a reply is truncated before its RCODE is known",
    peers: [NSD],
    parts: ["rcode", "truncation"],
    explains: ({ ours, theirs }) => isTruncated(ours) && ours.rcode === 0 && theirs.rcode !== 0,
  },
  {
    name: "glue that does not fit truncates",
    peers: [NSD],
    parts: ["truncation"],
    explains: ({ ours, theirs }) => isTruncated(ours) && isReferral(theirs) && theirs.additionals.length > 0,
  },
  {
    name: "a CNAME's target is not compressed",
    peers: [KNOT, NSD],
    parts: ["truncation"],
    explains: ({ asked, ours, theirs }) =>
      isTruncated(ours) &&
      theirs.answers.some(({ type }) => type === RRType.CNAME) &&
      theirs.length + 255 > asked.limit,
  },
  {
    name: "what two RRs bring along is there once",
    peers: [KNOT],
    parts: ["additional"],
    explains: ({ ours, theirs }) => {
      const [few, many] = [ours, theirs].map(({ additionals }) => listed(additionals).split("\n"));
      return few?.join() === [...new Set(many)].join();
    },
  },
  {
    name: "addresses of targets come along, also from a wildcard",
    peers: [NSD],
    parts: ["additional"],
    explains: ({ ours, theirs }) => ours.additionals.length > 0 && theirs.additionals.length === 0,
  },
  {
    name: "in a signed zone no addresses come along but glue",
    peers: [KNOT_SIGNING],
    parts: ["additional"],
    explains: ({ ours, theirs }) => {
      const glue = theirs.additionals.filter(({ owner }) => CUTS.some((cut) => owner.endsWith(cut)));
      return listed(ours.additionals) === listed(glue);
    },
  },
];

/** The rows that something needed; the others are to be taken out. */
const needed = new Set<Justified>();

const lab = useLab();

/** What one peer is compared in. */
interface Comparison {
  readonly peer: Peer;
  readonly queries: number;
  /** Both sign what they answer, and every query has DO; what proves is left out of the comparison. */
  readonly isSigned: boolean;
}

const COMPARISONS: readonly Comparison[] = [
  { peer: KNOT, queries: QUERIES, isSigned: false },
  { peer: NSD, queries: QUERIES, isSigned: false },
  { peer: KNOT_SIGNING, queries: SIGNED_QUERIES, isSigned: true },
];

describe.each(COMPARISONS)("$peer.name", ({ peer, queries, isSigned }) => {
  const used = new Map<string, number>();
  const server = serverOf(isSigned);
  const random = randomFrom(SEED);
  const asked = Array.from({ length: queries }, () => randomQuery(random, isSigned));

  test.skipIf(!isThere(peer))(
    `gives the answers that we give to ${queries} random queries (needs ${peer.program})`,
    { timeout: 120_000 },
    async () => {
      const port = await startPeer(lab, peer, TORTURE);
      const replies = await askAll(port, asked);
      const unexplained: string[] = [];
      let different = 0;
      for (const [i, query] of asked.entries()) {
        // A second for each query: so many signatures may be made in one, and no more.
        const both = [ourReply(server, query, 1 + i), replies[i] ?? null].map((reply) =>
          reply === null || !isSigned ? reply : withoutProof(reply, query.qtype),
        );
        const [ours = null, theirs = null] = both;
        if (ours === null || theirs === null) {
          if (ours !== theirs) unexplained.push(`${query.text}: only one of the two replied`);
          continue;
        }
        const found = differences(ours, theirs);
        if (found.length > 0) different += 1;
        const left = unaccounted({ asked: query, ours, theirs, found }, peer);
        if (left.length > 0) unexplained.push(`${query.text}: ${left}\n${describeBoth(ours, theirs)}`);
      }
      report(
        `${queries} random queries to ${peer.name}: ${queries - different} replies are equal; ` +
          [...used].map(([name, count]) => `${count} ${name}`).join(", "),
      );
      expect(unexplained.slice(0, 5)).toEqual([]);
    },
  );

  /** The differences that nothing justifies. */
  function unaccounted(pair: Pair, of: Peer): readonly Difference[] {
    let left = pair.found;
    for (const row of JUSTIFIED) {
      const { name, peers, parts, explains } = row;
      if (left.length === 0 || !peers.includes(of) || !explains(pair)) continue;
      const rest = left.filter((part) => !parts.includes(part));
      if (rest.length < left.length) {
        used.set(name, (used.get(name) ?? 0) + 1);
        needed.add(row);
      }
      left = rest;
    }
    return left;
  }
});

afterAll(() => {
  if (COMPARISONS.every(({ peer }) => isThere(peer)))
    expect(JUSTIFIED.filter((row) => !needed.has(row))).toEqual([]);
});

/** This process as a server of the zone, signed or not. */
function serverOf(isSigned: boolean): Server {
  const zone = zoneOf(TORTURE);
  if (!isSigned) return new Server([zone]);
  const signing = { validitySeconds: 1_209_600, keys: [keyOf(Algorithm.EcdsaP256Sha256)] };
  return new Server([withKeys(zone, signing)], [], [], {}, new Map([[nameKey(zone.apex), signing]]));
}

async function askAll(port: number, asked: readonly Asked[]): Promise<readonly (Message | null)[]> {
  const client = new Client(port);
  const replies: (Buffer | null)[] = asked.map(() => null);
  const overUdp = [...asked.keys()].filter((i) => asked[i]?.isStream === false);
  for (let from = 0; from < overUdp.length; from += VOLLEY) {
    const volley = overUdp.slice(from, from + VOLLEY);
    const got = await client.exchange(volley.map((i) => asked[i]!.octets));
    for (const [j, i] of volley.entries()) replies[i] = got[j] ?? null;
  }
  client.close();
  const overTcp = [...asked.keys()].filter((i) => asked[i]?.isStream === true);
  const got = await askOverTcp(
    port,
    overTcp.map((i) => asked[i]!.octets),
  );
  for (const [j, i] of overTcp.entries()) replies[i] = got[j] ?? null;
  return replies.map((reply) => (reply === null ? null : decodeMessage(reply)));
}

function ourReply(server: Server, { octets, isStream }: Asked, moment: number): Message | null {
  const reply = server.raw(octets, isStream ? Transport.Tcp : Transport.Udp, moment);
  return reply.length === 0 ? null : decodeMessage(reply);
}

function describeBoth(ours: Message, theirs: Message): string {
  return [ours, theirs]
    .map(
      ({ flags, rcode, answers, authorities, additionals, opt }, i) =>
        `${i === 0 ? "ours" : "theirs"}: flags ${flags.toString(16)} RCODE ${rcode} OPT ${JSON.stringify(opt)}\n` +
        `answer:\n${listed(answers)}\nauthority:\n${listed(authorities)}\nadditional:\n${listed(additionals)}`,
    )
    .join("\n");
}
