/** Which zones are signed with which keys: config, zones and key files put together. */

import type { ZoneSigning } from "../book/content.ts";
import type { Config, DnssecZone } from "../config/config.ts";
import { DELETE_CDNSKEY, DELETE_CDS } from "../dnssec/dnskey.ts";
import { type KeyPlan, type KeyState, planOf, settled } from "../dnssec/rollover.ts";
import type { Problem } from "../problem.ts";
import { forEachInSteps, type Steps } from "../steps.ts";
import { RRType, rrTypeName } from "../wire/codes.ts";
import { formatName, nameKey } from "../wire/name.ts";
import { withNode } from "../zone/with-node.ts";
import type { RRset, Zone } from "../zone/zone.ts";
import type { FileReader } from "./files.ts";
import { keyStatePath, readKeyState } from "./key-state.ts";
import { filesOf, readKeys, type ZoneKey } from "./keys.ts";

/** What there is of a zone's keys. */
export interface ZoneKeys {
  /** All that have files. */
  readonly keys: readonly ZoneKey[];
  /** null: nobody has rolled them yet. */
  readonly state: KeyState | null;
  /** The largest TTL of the zone; 0 where its keys are not rolled. */
  readonly ttlSeconds: number;
}

/** The zones with their keys in them. */
export interface SignedZones {
  /** All zones; a signed one has DNSKEY, CDS and CDNSKEY at its apex. */
  readonly zones: readonly Zone[];
  /** By `nameKey` of the apex: the signed ones. */
  readonly signing: ReadonlyMap<string, ZoneSigning>;
  readonly zoneKeys: ReadonlyMap<string, ZoneKeys>;
  readonly problems: readonly Problem[];
}

/** What a signer makes, so that a zone that is signed here must not bring it along. */
const MADE_HERE: readonly number[] = [
  RRType.RRSIG,
  RRType.NSEC,
  RRType.NSEC3,
  RRType.NSEC3PARAM,
  RRType.DNSKEY,
  RRType.CDS,
  RRType.CDNSKEY,
];

/** Puts the keys of every zone that the config wants signed into it. */
export function* signZones(config: Config, zones: readonly Zone[], reader: FileReader): Steps<SignedZones> {
  const problems: Problem[] = [];
  const signing = new Map<string, ZoneSigning>();
  const apexes = new Set(zones.map((zone) => nameKey(zone.apex)));
  for (const [key, { label, place }] of config.dnssec) {
    if (!apexes.has(key))
      problems.push({
        ...place,
        message: `dnssec.${label}: there is no zone of this name, expected an apex`,
      });
  }
  const zoneKeys = new Map<string, ZoneKeys>();
  const withKeys: Zone[] = [];
  for (const zone of zones) {
    const key = nameKey(zone.apex);
    const wanted = config.dnssec.get(key);
    if (wanted === undefined) {
      withKeys.push(zone);
      continue;
    }
    const { stateFolder } = config.node;
    const { keys, problems: own } = readKeys(stateFolder, zone.apex, reader);
    const { value: state, problems: unread } = readKeyState(stateFolder, zone.apex, reader);
    const plan = planFor(wanted, state, keys);
    problems.push(...own, ...unread, ...(yield* problemsOf(zone, wanted, keys)));
    if (keys.length > 0) problems.push(...stateProblems(config, wanted, state, keys));
    signing.set(key, {
      validitySeconds: wanted.validitySeconds,
      keys: plan.duties.filter((duty) => filesOf([duty], keys).length > 0),
    });
    // Keys that nobody rolls need no TTL, and a large zone has many.
    const ttlSeconds =
      wanted.rollover === null ? 0 : Math.max(wanted.keyTtlSeconds, yield* largestTtl(config, zone));
    zoneKeys.set(key, { keys, state, ttlSeconds });
    withKeys.push(withApexRRsets(zone, wanted, filesOf(plan.dnskeys, keys), filesOf(plan.cds, keys)));
  }
  return { zones: withKeys, signing, zoneKeys, problems };
}

/** Where keys change by hand all that are there sign everything. */
function planFor(wanted: DnssecZone, state: KeyState | null, keys: readonly ZoneKey[]): KeyPlan {
  const byHand = state === null || (wanted.rollover === null && state.step === "idle");
  return planOf(byHand ? settled("", keys, 0) : state);
}

function stateProblems(
  config: Config,
  { label, apex, place, rollover }: DnssecZone,
  state: KeyState | null,
  keys: readonly ZoneKey[],
): readonly Problem[] {
  if (state === null) return [];
  if (rollover === null)
    return state.step === "idle"
      ? []
      : [
          {
            ...place,
            message: `dnssec.${label}: a rollover is under way, expected the key "rollover" until its end`,
          },
        ];
  const missing = planOf(state).essential.filter((key) => filesOf([key], keys).length === 0);
  return missing.map(({ tag }) => ({
    file: keyStatePath(config.node.stateFolder, apex),
    line: 0,
    column: 0,
    message: `key ${tag} has no file, and the zone would be bogus without it: put it back`,
  }));
}

/** What a cache may keep for the longest time. Challenges are no longer-lived than the SOA. */
function* largestTtl({ services }: Config, zone: Zone): Steps<number> {
  let largest = largestTtls.get(zone) ?? 0;
  if (largest === 0) {
    yield* forEachInSteps(zone.nodes.values(), ({ rrsets }) => {
      for (const { ttlSeconds } of rrsets.values()) largest = Math.max(largest, ttlSeconds);
    });
    largestTtls.set(zone, largest);
  }
  return services.reduce((most, { ttlSeconds }) => Math.max(most, ttlSeconds), largest);
}

/** A zone whose file has not changed is the same object, and may have a million names. */
const largestTtls = new WeakMap<Zone, number>();

function* problemsOf(zone: Zone, wanted: DnssecZone, keys: readonly ZoneKey[]): Steps<readonly Problem[]> {
  const name = formatName(zone.apex);
  const problems: Problem[] = [];
  yield* forEachInSteps(zone.nodes.values(), ({ rrsets }) => {
    for (const { type, place } of MADE_HERE.flatMap((type) => rrsets.get(type) ?? [])) {
      const message = `${rrTypeName(type)} in ${name}, which is signed here: remove it, Meridian makes its own`;
      problems.push({ ...place, message });
    }
  });
  if (keys.length === 0) {
    const command = `meridian key add ${wanted.label}`;
    problems.push({ ...wanted.place, message: `dnssec.${wanted.label}: no key, make one with "${command}"` });
  }
  return problems;
}

function withApexRRsets(
  zone: Zone,
  { keyTtlSeconds: ttlSeconds, cds: wish }: DnssecZone,
  dnskeys: readonly ZoneKey[],
  cds: readonly ZoneKey[],
): Zone {
  const apex = zone.nodes.get(nameKey(zone.apex));
  const [first] = dnskeys;
  if (apex === undefined || first === undefined) return zone;
  const place = { file: first.file, line: 1, column: 1 };
  const rrset = (type: number, rdatas: readonly Uint8Array[]): readonly [number, RRset][] =>
    rdatas.length === 0 ? [] : [[type, { type, ttlSeconds, rdatas, place }]];
  const rrsets = new Map([
    ...apex.rrsets,
    ...rrset(
      RRType.DNSKEY,
      dnskeys.map(({ dnskey }) => dnskey),
    ),
    ...rrset(RRType.CDS, wish === "delete" ? [DELETE_CDS] : cds.map(({ ds }) => ds)),
    ...rrset(RRType.CDNSKEY, wish === "delete" ? [DELETE_CDNSKEY] : cds.map(({ dnskey }) => dnskey)),
  ]);
  return { ...zone, nodes: withNode(zone.nodes, { ...apex, rrsets }) };
}
