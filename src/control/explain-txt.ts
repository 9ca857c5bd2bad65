/** Explanations by DNS: the TXT at `_explain.NAME` for who may ask. */

import type { Config, VipId } from "../config/config.ts";
import { formatLocation } from "../steering/explain.ts";
import { formatCounterfactual, formatTtl } from "../steering/format-trace.ts";
import type { Trace, TraceNode } from "../steering/trace.ts";
import { shorter } from "../steering/ttl.ts";
import { formatNearby, formatPercent, formatVerdict } from "../steering/words.ts";
import { addressOf, type IpAddress } from "../wire/address.ts";
import { readMessage } from "../wire/message.ts";
import { formatName, parentOf } from "../wire/name.ts";
import { Packet } from "../wire/packet.ts";
import { Parsed, parseQuery, Query, usesSubnet } from "../wire/query.ts";
import type { Desk, ExplainOutcome } from "./desk.ts";
import { memberOfVip } from "./lookup.ts";

/** The most octets of one string (RFC 1035 §3.3). */
const STRING_OCTETS_MAX = 255;

/**
 * The RDATA of the answer to a query for TXT at `_explain.NAME`: why NAME is answered as it is for the client that the
 * query comes from, or stands for by ECS. Null: the name is not steered.
 */
export function explainTxt(
  octets: Uint8Array,
  source: Uint8Array,
  desk: Pick<Desk, "explain" | "snapshot">,
): Uint8Array | null {
  const [question] = readMessage(octets)?.questions ?? [];
  const qname = question === undefined ? null : parentOf(question.qname);
  const asked = whoAsks(octets, source);
  if (qname === null || asked === null) return null;
  const { client, text } = asked;
  const ipv4 = desk.explain({ qname, client, family: 4, supposed: [] });
  const ipv6 = desk.explain({ qname, client, family: 6, supposed: [] });
  if (ipv4.kind !== "explained" || ipv6.kind !== "explained") return null;
  const { explanation, scopePrefixLength } = ipv4;
  const ttl = shorter(explanation.ttl, ipv6.explanation.ttl);
  const { config } = desk.snapshot();
  return rdataOf([
    `${formatName(qname)} for ${text}, ECS scope /${scopePrefixLength}, ${formatTtl(ttl)}`,
    `location ${formatLocation(explanation.location)}`,
    `class ${explanation.classKey}`,
    ...linesOf("A", ipv4, config),
    ...linesOf("AAAA", ipv6, config),
  ]);
}

/** The address that the query is steered by, as `answer/steer` has it. */
function whoAsks(octets: Uint8Array, source: Uint8Array): { client: IpAddress; text: string } | null {
  const query = new Query();
  if (parseQuery(new Packet(Uint8Array.from(octets)), octets.length, query) !== Parsed.Query) return null;
  const { sourcePrefixLength, subnetAddress, subnetFamily } = query;
  if (!usesSubnet(query)) {
    const client = addressOf(source);
    return { client, text: client.text };
  }
  const client = addressOf(new Uint8Array(subnetAddress.buffer, 0, subnetFamily === 1 ? 4 : 16));
  return { client, text: `${client.text}/${sourcePrefixLength}` };
}

type Explained = Extract<ExplainOutcome, { kind: "explained" }>;

/** What a family is answered in this second, by which rules, on what grounds, and what would change it. */
function linesOf(
  type: string,
  { explanation, picked, beside, sticky, counterfactual }: Explained,
  config: Config,
): readonly string[] {
  const { plan, trace } = explanation;
  const member = picked === null ? null : memberOfVip(config, picked);
  if (picked === null || member === null || plan.kind !== "answer") {
    return [`${type} ${plan.kind.toUpperCase()}`];
  }
  const address = (member.ipv4?.id === picked ? member.ipv4 : member.ipv6)?.address.text;
  const share = plan.shares.find(({ vip }) => vip === picked)?.share ?? 0;
  const leaf = leafOf(trace, picked);
  const verdict = leaf?.facts.find((fact) => fact.kind === "verdict");
  const nearby = leaf?.facts.find((fact) => fact.kind === "nearby");
  return [
    `${type} ${address}, ${member.id} in ${member.region}: ${formatPercent(share)} of answers`,
    ...(beside.length === 0
      ? []
      : [`then ${beside.map((vip) => memberOfVip(config, vip)?.id ?? vip).join(", ")}`]),
    ...(leaf === null ? [] : [`by ${leaf.path}`]),
    ...(sticky === null ? [] : [`bucket ${sticky.bucket} of ${sticky.buckets}`]),
    ...(verdict === undefined ? [] : [formatVerdict(verdict)]),
    ...(nearby === undefined ? [] : [formatNearby(nearby)]),
    formatCounterfactual(counterfactual),
  ];
}

/** The first place in the policy, as the plan follows it, that gives answers with a VIP. */
function leafOf({ stages }: Trace, vip: VipId): TraceNode | null {
  const root = stages.at(-1)?.root;
  return root === undefined ? null : leafUnder(root, vip);
}

function leafUnder(node: TraceNode, vip: VipId): TraceNode | null {
  if (!node.kept.some((kept) => kept.vip === vip)) return null;
  if (node.children.length === 0) return node;
  return node.children.map((child) => leafUnder(child, vip)).find((found) => found !== null) ?? null;
}

function rdataOf(strings: readonly string[]): Uint8Array {
  const parts = strings.flatMap((text) => {
    const octets = Buffer.from(text).subarray(0, STRING_OCTETS_MAX);
    return [Uint8Array.of(octets.length), octets];
  });
  return new Uint8Array(Buffer.concat(parts));
}
