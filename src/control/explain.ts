/** Explains the answers for a qname: finds its service, its clients' class, and why the plan is what it is. */

import { BucketTables } from "../book/bucket-tables.ts";
import { PLAN_IN } from "../book/layout.ts";
import { placesOf, planWords } from "../book/patch.ts";
import { bucketFor, drawFor, Picks, pickFrom, shuffle } from "../book/pick.ts";
import type { Service, VipId } from "../config/config.ts";
import { leafScope, lookupClass } from "../geo/trie.ts";
import { counterfactual } from "../steering/counterfactual.ts";
import { explain } from "../steering/explain.ts";
import type { Facts } from "../steering/facts.ts";
import { localise } from "../steering/localise.ts";
import { onGrid } from "../steering/partition.ts";
import type { Plan } from "../steering/plan.ts";
import { suppose } from "../steering/suppose.ts";
import { didYouMean } from "../suggest.ts";
import type { IpAddress } from "../wire/address.ts";
import { formatName, type Name, nameKey, parentOf, sameName } from "../wire/name.ts";
import { hashName } from "../wire/name-hash.ts";
import { viewOf } from "../wire/packet.ts";
import type { Zone } from "../zone/zone.ts";
import type { ExplainOutcome, ExplainQuestion, Picked } from "./desk.ts";
import type { Edition } from "./live-book.ts";

/** Why clients at an address get the answers they get, or would get if. */
export function explainName(
  { snapshot, planner }: Pick<Edition, "snapshot" | "planner">,
  known: Facts,
  { qname, client, family, supposed }: ExplainQuestion,
): ExplainOutcome {
  const { config, zones, atlas } = snapshot;
  const service = serviceFor(qname, config.services, zones);
  const split = service === null ? null : planner.splitFor(service);
  if (service === null || split === null) {
    const text = formatName(qname).slice(0, -1);
    const labels = config.services.map(({ label }) => label);
    const hint = didYouMean(text, labels);
    return { kind: "not-steered", message: `${text} is not steered: no service answers for it${hint}` };
  }
  const { partition, trie, buckets } = split;
  const location = onGrid(atlas.locate(client), partition.gridDegrees);
  const leaf = trie === null ? null : lookupClass(trie.nodes, 0, viewOf(client.bytes), client.family === 6);
  const facts = suppose(known, supposed);
  const explanation = explain(service, location, family, facts, config);
  const local = localise(service.policy, location, config);
  const pick = pickerFor(qname, client, facts.nowMs, buckets);
  return {
    kind: "explained",
    service,
    scopePrefixLength: leaf === null ? 0 : leafScope(leaf),
    explanation,
    ...pick(explanation.plan),
    atMs: facts.nowMs,
    counterfactual: counterfactual(local, service, family, facts, config, (plan) => vipsOf(plan, pick(plan))),
  };
}

/** Above every share that is drawn where something is sticky. */
const DRAWS_NOTHING = -1;

/** Picks the very VIP that dns gives: by its draw and the client's bucket, from the words that it has of a plan. */
function pickerFor(qname: Name, client: IpAddress, atMs: number, buckets: number): (plan: Plan) => Picked {
  const [address, isIpv6] = [viewOf(client.bytes), client.family === 6];
  const hash = hashName(viewOf(qname), 0, qname.length);
  const draw = drawFor(address, isIpv6, hash, Math.trunc(atMs / 1000));
  const bucket = bucketFor(address, isIpv6, buckets);
  const tables = new BucketTables();
  return (plan) => {
    if (plan.kind !== "answer") return { picked: null, beside: [], sticky: null };
    const vips = plan.shares.map(({ vip }) => vip);
    const numbers = new Map(vips.map((vip, number) => [vip, number]));
    const places = placesOf(plan);
    const words = planWords(plan, 0, numbers, places, buckets, 1, tables);
    const pick = (drawn: number): readonly VipId[] => {
      const picks = new Picks();
      pickFrom(words, PLAN_IN, drawn, places, buckets, bucket, 1, picks);
      shuffle(picks, drawn);
      return [picks.first, ...picks.beside.subarray(0, picks.others)].flatMap((number) => vips[number] ?? []);
    };
    const [picked = null, ...beside] = pick(draw);
    const sticky = plan.sticky === null ? null : { bucket, buckets, vip: pick(DRAWS_NOTHING)[0] ?? null };
    return { picked, beside, sticky };
  };
}

/** The VIPs of a plan that the client can get, in this second or another. */
function vipsOf(plan: Plan, { sticky }: Picked): ReadonlySet<VipId> {
  if (plan.kind !== "answer") return new Set();
  const shares = plan.sticky?.drawn ?? plan.shares;
  return new Set([...shares.map(({ vip }) => vip), ...(sticky?.vip ? [sticky.vip] : [])]);
}

/** By its own name, by a `STEER`, or by the `STEER` of a wildcard that the name matches (RFC 4592 §4.1). */
function serviceFor(qname: Name, services: readonly Service[], zones: readonly Zone[]): Service | null {
  const own = services.find(({ name }) => sameName(name, qname));
  if (own !== undefined) return own;
  const nodes = (key: string) => zones.map((zone) => zone.nodes.get(key)).find((node) => node !== undefined);
  let node = nodes(nameKey(qname));
  for (let above = parentOf(qname); node === undefined && above !== null; above = parentOf(above)) {
    node = nodes(`\x01*${nameKey(above)}`);
    if (nodes(nameKey(above)) !== undefined) break;
  }
  const as = node?.steered?.as;
  return as === undefined ? null : (services.find(({ name }) => sameName(name, as)) ?? null);
}
