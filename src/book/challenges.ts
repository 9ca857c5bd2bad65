/** ACME challenges (RFC 8555 §8.4) as control gives them to dns, which lets each value end by itself, with control or without. */

import { RRType } from "../wire/codes.ts";
import { nameKey } from "../wire/name.ts";
import type { RRset, Zone, ZoneNode } from "../zone/zone.ts";
import { compileBook } from "./compile.ts";
import type { BookContent } from "./content.ts";

/** All challenges, with what else there is to answer at their names. */
export interface Challenges extends Pick<BookContent, "version" | "signing"> {
  readonly zones: readonly ChallengeZone[];
}

/** The challenges of one zone. */
interface ChallengeZone extends Pick<Zone, "apex" | "file"> {
  /** For negative answers. */
  readonly soa: RRset;
  readonly names: readonly ChallengeName[];
}

/** The challenges at one name, and what the zone file has there. */
export interface ChallengeName extends ZoneNode {
  readonly values: readonly ChallengeValue[];
}

/** One TXT RR. */
export interface ChallengeValue {
  readonly rdata: Uint8Array;
  /** From this moment it is not answered any more. */
  readonly untilMs: number;
}

/** A book of the challenges that count at a moment. */
export interface ChallengeBook {
  /** null: there are none. */
  readonly bytes: Uint8Array | null;
  /** When the next of them ends; null: none will. */
  readonly nextEndMs: number | null;
}

/** The TTL of every challenge, whatever the client of an UPDATE would like: what is gone should be gone soon. */
const CHALLENGE_TTL_SECONDS = 60;

/** Compiles the book. The names in it are whole: it answers for them in place of the zones' book. */
export function compileChallenges({ version, signing, zones }: Challenges, nowMs: number): ChallengeBook {
  const live = zones.flatMap((zone) => withLiveNames(zone, nowMs));
  if (live.length === 0) return { bytes: null, nextEndMs: null };
  const { bytes } = compileBook({
    version,
    zones: live,
    signing,
    vips: [],
    regionOf: () => 0,
    services: [],
    admissions: [],
  });
  const ends = zones
    .flatMap(({ names }) => names.flatMap(({ values }) => values))
    .map(({ untilMs }) => untilMs);
  return { bytes, nextEndMs: ends.filter((untilMs) => untilMs > nowMs).reduce((a, b) => Math.min(a, b)) };
}

/** The zone with its SOA and the names that have a value; none where no name has. */
function withLiveNames({ apex, file, soa, names }: ChallengeZone, nowMs: number): readonly Zone[] {
  const nodes = new Map<string, ZoneNode>();
  nodes.set(nameKey(apex), { name: apex, rrsets: new Map([[RRType.SOA, soa]]), steered: null });
  let isLive = false;
  for (const { values, ...node } of names) {
    const rdatas = values.filter(({ untilMs }) => untilMs > nowMs).map(({ rdata }) => rdata);
    if (rdatas.length === 0) continue;
    isLive = true;
    // Never more than the zone has itself: a rollover of its keys waits for its largest TTL.
    const ttlSeconds = Math.min(CHALLENGE_TTL_SECONDS, soa.ttlSeconds);
    nodes.set(nameKey(node.name), { ...node, rrsets: withTexts(node.rrsets, rdatas, ttlSeconds, file) });
  }
  return isLive ? [{ apex, file, nodes }] : [];
}

function withTexts(
  rrsets: ZoneNode["rrsets"],
  added: readonly Uint8Array[],
  ttlSeconds: number,
  file: string,
): ZoneNode["rrsets"] {
  const before = rrsets.get(RRType.TXT);
  const rdatas = [...(before?.rdatas ?? []), ...added];
  const place = before?.place ?? { file, line: 0, column: 0 };
  return new Map([...rrsets, [RRType.TXT, { type: RRType.TXT, ttlSeconds, rdatas, place }]]);
}
