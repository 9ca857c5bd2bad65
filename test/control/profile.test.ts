/** The profile of traffic: bounded whatever comes, fair, the same for the same traffic, and kept over a restart. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Config } from "../../src/config/config.ts";
import {
  type ProfileStore,
  type ProfileWindow,
  packSamples,
  type SampledQuery,
  TrafficProfile,
  unpackSamples,
} from "../../src/control/profile.ts";
import { openSqliteStore } from "../../src/control/sqlite-store.ts";
import { SAMPLE_WORDS, type Samples, SampleWord } from "../../src/telemetry/samples.ts";
import { configOf, maximal } from "../config/fixture.ts";
import { Folder } from "./test-node.ts";

const START = 1_700_000_100;
const config: Config = configOf(maximal);

/** Samples of book 1, each by its second and the first 24 bits of its prefix. */
function samplesOf(queries: readonly (readonly [moment: number, prefix: number])[], version = 1): Samples {
  const words = new Uint32Array(queries.length * SAMPLE_WORDS);
  for (const [i, [moment, prefix]] of queries.entries()) {
    const at = i * SAMPLE_WORDS;
    words[at + SampleWord.version] = version;
    words[at + SampleWord.moment] = moment;
    words[at + SampleWord.what] = (1 << 16) | 24;
    words[at + SampleWord.high] = prefix << 8;
  }
  return { words, dropped: 0 };
}

function openStore(): ProfileStore {
  return openSqliteStore(join(new Folder().file("state"), "meridian.db")).profile;
}

function profileOn(store: ProfileStore, sample = 1, nowSeconds = START): TrafficProfile {
  const profile = new TrafficProfile(store, { sample, keepMs: 3_600_000 }, nowSeconds * 1000);
  profile.use(1, config);
  return profile;
}

function all(profile: TrafficProfile): readonly ProfileWindow[] {
  return [...profile.windows(0)];
}

function prefixesIn(windows: readonly ProfileWindow[]): readonly number[] {
  return windows.flatMap(({ samples }) => samples.map(({ high }) => high >>> 8));
}

describe("the profile", () => {
  test("has every query while they are few, by the names of its book", () => {
    const profile = profileOn(openStore());
    profile.take(
      samplesOf([
        [START, 7],
        [START + 1, 8],
      ]),
    );
    const [window] = all(profile);
    expect(window).toMatchObject({ startSeconds: START - (START % 300), queries: 2 });
    expect(window?.samples[1]).toEqual({
      service: config.services[0]?.label ?? "",
      region: [...config.regions.keys()][0] ?? null,
      moment: START + 1,
      qnameHash: 0,
      qtype: 1,
      isIpv6: false,
      prefixLength: 24,
      high: 8 << 8,
      low: 0,
    } satisfies SampledQuery);
  });

  test("counts a million queries of as many prefixes, and keeps 4,096 of them, each as likely as any other", () => {
    const profile = profileOn(openStore(), 10);
    for (let from = 0; from < 1_000_000; from += 1_000)
      profile.take(
        samplesOf(Array.from({ length: 1_000 }, (_, i) => [START + Math.floor(from / 10_000), from + i])),
      );
    const [window] = all(profile);
    expect(window?.queries).toBe(10_000_000);
    expect(window?.samples).toHaveLength(4_096);
    expect(packSamples(window?.samples ?? []).octets).toHaveLength(4_096 * 24);
    const kept = prefixesIn(all(profile));
    expect(new Set(kept).size).toBe(4_096);
    const tenths = new Array<number>(10).fill(0);
    for (const prefix of kept) tenths[Math.floor(prefix / 100_000)]! += 1;
    const expected = 4_096 / 10;
    const chiSquared = tenths.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 9 degrees of freedom: exceeded by chance once in a thousand runs.
    expect(chiSquared).toBeLessThan(27.9);
  });

  test("is the same for the same traffic", () => {
    const [a, b] = [profileOn(openStore()), profileOn(openStore())];
    for (let from = 0; from < 20_000; from += 100) {
      const samples = samplesOf(Array.from({ length: 100 }, (_, i) => [START, from + i]));
      a.take(samples);
      b.take(samples);
    }
    expect(all(a)).toEqual(all(b));
  });

  test("begins a window every five minutes, and forgets those older than it shall keep", () => {
    const store = openStore();
    const profile = profileOn(store);
    const first = START - (START % 300);
    for (let i = 0; i < 20; i += 1) profile.take(samplesOf([[first + 300 * i, i]]));
    const starts = all(profile).map(({ startSeconds }) => startSeconds);
    expect(starts).toEqual(Array.from({ length: 13 }, (_, i) => first + 300 * (7 + i)));
    expect([...store.windows(0)].length).toBeLessThanOrEqual(13);
    expect(
      [...profile.windows((first + 300 * 18 + 299) * 1000)].map(({ startSeconds }) => startSeconds),
    ).toEqual(starts.slice(-2));
  });

  test("goes on after a restart where it was", () => {
    const folder = new Folder();
    const open = () => openSqliteStore(join(folder.file("state"), "meridian.db"));
    const before = open();
    const profile = profileOn(before.profile);
    profile.take(
      samplesOf([
        [START, 1],
        [START + 300, 2],
      ]),
    );
    profile.save();
    before.close();
    const again = profileOn(open().profile, 1, START + 300);
    again.take(samplesOf([[START + 301, 3]]));
    expect(all(again).map(({ queries }) => queries)).toEqual([1, 2]);
    expect(prefixesIn(all(again))).toEqual([1, 2, 3]);
  });

  test("counts what there was no room for, and what is of a book that it does not know", () => {
    const profile = profileOn(openStore(), 100);
    profile.take({ ...samplesOf([[START, 1]]), dropped: 4 });
    profile.take(samplesOf([[START, 2]], 9));
    expect(all(profile)).toMatchObject([{ queries: 600, samples: [{ high: 1 << 8 }] }]);
  });

  test("reads a bounded number of samples, however many windows there are", () => {
    const windows: ProfileWindow[] = Array.from({ length: 288 }, (_, i) => ({
      startSeconds: START - (START % 300) - 300 * (288 - i),
      queries: 100_000,
      samples: Array.from({ length: 4_096 }, (_, high) => sample({ moment: i, high: high << 8 })),
    }));
    const store: ProfileStore = {
      saveWindow: () => {},
      dropWindows: () => {},
      windows: (from) => windows.filter(({ startSeconds }) => startSeconds >= from),
    };
    const profile = new TrafficProfile(store, { sample: 1, keepMs: 24 * 3_600_000 }, START * 1000);
    const read = [...profile.windows(0)];
    expect(read).toHaveLength(288);
    const counts = read.map(({ samples }) => samples.length);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(131_072);
    expect(Math.min(...counts)).toBeGreaterThan(440);
    expect(read.every(({ queries }) => queries === 100_000)).toBe(true);
    // From all over the window.
    expect(Math.max(...(read[0]?.samples.map(({ high }) => high >>> 8) ?? []))).toBeGreaterThan(4_000);
  });
});

function sample(some: Partial<SampledQuery>): SampledQuery {
  return {
    service: "www.example",
    region: null,
    moment: 0,
    qnameHash: 0,
    qtype: 1,
    isIpv6: false,
    prefixLength: 24,
    high: 0,
    low: 0,
    ...some,
  };
}

test("packed samples come back as they were", () => {
  const samples = [
    sample({ region: "us-east", moment: 2 ** 32 - 1, qnameHash: 0xdead_beef }),
    sample({ qtype: 65, isIpv6: true, prefixLength: 56, high: 0xffff_ffff, low: 0xffff_ff00 }),
    sample({ service: "other.example", region: "eu-west", qtype: 28, prefixLength: 1, high: 0x8000_0000 }),
  ];
  expect(unpackSamples(packSamples(samples))).toEqual(samples);
  expect(unpackSamples(packSamples([]))).toEqual([]);
});
