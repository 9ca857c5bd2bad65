/** Which zones are signed with which keys: config, zones and key files put together. */

import type { ZoneSigning } from "../book/compile.ts";
import type { Config, DnssecZone } from "../config/config.ts";
import { Duty } from "../dnssec/key-duty.ts";
import type { Problem } from "../problem.ts";
import { RRType, rrTypeName } from "../wire/codes.ts";
import { formatName, nameKey } from "../wire/name.ts";
import { withNode } from "../zone/with-node.ts";
import type { RRset, Zone } from "../zone/zone.ts";
import type { FileReader } from "./files.ts";
import { KEY_TTL_SECONDS, readKeys, type ZoneKey } from "./keys.ts";

/** The zones with their keys in them. */
export interface SignedZones {
  /** All zones; a signed one has DNSKEY, CDS and CDNSKEY at its apex. */
  readonly zones: readonly Zone[];
  /** By `nameKey` of the apex: the signed ones. */
  readonly signing: ReadonlyMap<string, ZoneSigning>;
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
export function signZones(config: Config, zones: readonly Zone[], reader: FileReader): SignedZones {
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
  const withKeys = zones.map((zone) => {
    const wanted = config.dnssec.get(nameKey(zone.apex));
    if (wanted === undefined) return zone;
    const { keys, problems: own } = readKeys(config.node.stateFolder, zone.apex, reader);
    problems.push(...own, ...problemsOf(zone, wanted, keys));
    const refs = keys.map(({ algorithm, tag }) => ({ algorithm, tag, duties: Duty.All }));
    signing.set(nameKey(zone.apex), { validitySeconds: wanted.validitySeconds, keys: refs });
    return withApexRRsets(zone, keys);
  });
  return { zones: withKeys, signing, problems };
}

function problemsOf(zone: Zone, wanted: DnssecZone, keys: readonly ZoneKey[]): readonly Problem[] {
  const name = formatName(zone.apex);
  const foreign = zone.nodes
    .values()
    .flatMap(({ rrsets }) => MADE_HERE.flatMap((type) => rrsets.get(type) ?? []));
  const problems: Problem[] = Array.from(foreign, ({ type, place }) => ({
    ...place,
    message: `${rrTypeName(type)} in ${name}, which is signed here: remove it, Meridian makes its own`,
  }));
  if (keys.length === 0) {
    const command = `meridian key add ${wanted.label}`;
    problems.push({ ...wanted.place, message: `dnssec.${wanted.label}: no key, make one with "${command}"` });
  }
  return problems;
}

function withApexRRsets(zone: Zone, keys: readonly ZoneKey[]): Zone {
  const key = nameKey(zone.apex);
  const apex = zone.nodes.get(key);
  const [first] = keys;
  if (apex === undefined || first === undefined) return zone;
  const place = { file: first.file, line: 1, column: 1 };
  const rrset = (type: number, rdatas: readonly Uint8Array[]): [number, RRset] => [
    type,
    { type, ttlSeconds: KEY_TTL_SECONDS, rdatas, place },
  ];
  const dnskeys = keys.map(({ dnskey }) => dnskey);
  const rrsets = new Map([
    ...apex.rrsets,
    rrset(RRType.DNSKEY, dnskeys),
    rrset(
      RRType.CDS,
      keys.map(({ ds }) => ds),
    ),
    rrset(RRType.CDNSKEY, dnskeys),
  ]);
  return { ...zone, nodes: withNode(zone.nodes, { ...apex, rrsets }) };
}
