/** The profile of traffic: of each five minutes a fair sample of the steered queries, to try changes with. */

import type { Replayed } from "../answer/replay.ts";
import type { Config } from "../config/config.ts";
import type { ProfileConfig } from "../config/node.ts";
import { SERVICES_MEASURED_MAX } from "../telemetry/measured.ts";
import { NO_REGION, SAMPLE_WORDS, type Samples, SampleWord } from "../telemetry/samples.ts";
import { word } from "../wire/bytes.ts";
import { mix } from "../wire/mix.ts";
import { ifAvailable } from "./store-file.ts";

/** One query, with all that its answer depended on, and no more of the client than a prefix. */
export interface SampledQuery extends Replayed {
  /** The label of the service that answered. */
  readonly service: string;
  /** Where its answer led; null: nowhere, or the region was not known. */
  readonly region: string | null;
}

/** What is known of the steered queries of five minutes. */
export interface ProfileWindow {
  readonly startSeconds: number;
  /** How many there were: those sampled, times what each stands for. */
  readonly queries: number;
  /** Each as likely to be among them as any other; all, while there are few enough. */
  readonly samples: readonly SampledQuery[];
}

/** Where windows are kept. */
export interface ProfileStore {
  /** Keeps a window, in place of the one of the same start. */
  saveWindow(window: ProfileWindow): void;
  /** Those that start at `fromSeconds` or later, the oldest first; read one by one. */
  windows(fromSeconds: number): Iterable<ProfileWindow>;
  /** Forgets those that started before. */
  dropWindows(beforeSeconds: number): void;
}

export const WINDOW_SECONDS = 300;

/** So many answers tell a share within 1.6 % in 19 of 20 cases; an hour of them within 0.5 %. */
const SAMPLES_MAX = 4096;

/** So many are read at a time: all of the last two and a half hours, of a day one of nine. */
const READ_MAX = 131_072;

/** Samples come within a second or so of their answer: two books can be in them, three are not seen. */
const BOOKS_MAX = 3;

/** What the numbers in samples mean. */
interface BookNames {
  readonly version: number;
  readonly services: readonly string[];
  readonly regions: readonly string[];
}

/** Takes samples in, and keeps a bounded number of them. */
export class TrafficProfile {
  readonly #store: ProfileStore;
  readonly #options: ProfileConfig;
  #books: readonly BookNames[] = [];
  #startSeconds: number;
  #queries = 0;
  #seen = 0;
  #samples: SampledQuery[] = [];
  /** Of the services that are measured, since control started, by region. */
  readonly #answers = new Map<string, Map<string, number>>();

  /** Goes on with the window of this moment, if there is one already. */
  constructor(store: ProfileStore, options: ProfileConfig, nowMs: number) {
    this.#store = store;
    this.#options = options;
    this.#startSeconds = startOf(nowMs / 1000);
    for (const window of ifAvailable(() => [...store.windows(this.#startSeconds)], [])) {
      if (window.startSeconds !== this.#startSeconds) continue;
      this.#samples = [...window.samples];
      this.#queries = window.queries;
      this.#seen = Math.max(this.#samples.length, Math.round(window.queries / options.sample));
    }
  }

  /** Says what is in the book of a version; samples of books that nobody has told of count, and no more. */
  use(version: number, config: Config): void {
    const names = {
      version: version >>> 0,
      services: config.services.map(({ label }) => label),
      regions: [...config.regions.keys()],
    };
    this.#books = [names, ...this.#books].slice(0, BOOKS_MAX);
    const measured = new Set(names.services.slice(0, SERVICES_MEASURED_MAX));
    for (const service of this.#answers.keys()) if (!measured.has(service)) this.#answers.delete(service);
  }

  /** How many answers of a service led to each region, as far as samples tell; none of services that are not measured. */
  answersOf(service: string): ReadonlyMap<string, number> {
    return this.#answers.get(service) ?? new Map();
  }

  take({ words, dropped }: Samples): void {
    for (let at = 0; at < words.length; at += SAMPLE_WORDS) this.#add(words, at);
    this.#queries += this.#options.sample * dropped;
  }

  /**
   * All windows that have a second after `fromMs`, the oldest first, the one of now last; of many windows each has fewer
   * samples.
   */
  *windows(fromMs: number): Iterable<ProfileWindow> {
    const from = startOf(Math.max(fromMs / 1000, this.#startSeconds - this.#options.keepMs / 1000));
    const most = Math.floor(READ_MAX / (1 + Math.max(0, this.#startSeconds - from) / WINDOW_SECONDS));
    for (const window of this.#store.windows(from))
      if (window.startSeconds < this.#startSeconds) yield thinned(window, most);
    if (this.#queries > 0) yield thinned(this.#window(), most);
  }

  /** Keeps what there is of the window of now. */
  save(): void {
    if (this.#queries > 0) this.#store.saveWindow(this.#window());
  }

  #window(): ProfileWindow {
    return { startSeconds: this.#startSeconds, queries: this.#queries, samples: this.#samples };
  }

  /** Every sample of a window has the same chance to stay (Vitter's algorithm R). */
  #add(words: Uint32Array, at: number): void {
    const start = startOf(word(words, at + SampleWord.moment));
    if (start > this.#startSeconds) this.#begin(start);
    this.#queries += this.#options.sample;
    const version = word(words, at + SampleWord.version);
    const names = this.#books.find((book) => book.version === version);
    const number = word(words, at + SampleWord.service);
    const service = names?.services[number];
    if (names === undefined || service === undefined) return;
    const sample = sampleAt(words, at, service, names.regions);
    if (number < SERVICES_MEASURED_MAX) this.#count(sample);
    this.#seen += 1;
    const place = this.#samples.length < SAMPLES_MAX ? this.#samples.length : this.#chance();
    if (place < SAMPLES_MAX) this.#samples[place] = sample;
  }

  #count({ service, region }: SampledQuery): void {
    if (region === null) return;
    const counts = this.#answers.get(service) ?? new Map<string, number>();
    this.#answers.set(service, counts);
    counts.set(region, (counts.get(region) ?? 0) + this.#options.sample);
  }

  /** A number below `#seen`, the same for the same traffic. */
  #chance(): number {
    return Math.floor((this.#seen * (mix(mix(this.#startSeconds) ^ this.#seen) >>> 0)) / 2 ** 32);
  }

  #begin(startSeconds: number): void {
    this.save();
    this.#store.dropWindows(startOf(startSeconds - this.#options.keepMs / 1000));
    this.#startSeconds = startSeconds;
    this.#queries = 0;
    this.#seen = 0;
    this.#samples = [];
  }
}

/** At most so many of the samples, from all over the window. */
function thinned(window: ProfileWindow, most: number): ProfileWindow {
  const { samples } = window;
  if (samples.length <= most) return window;
  const step = samples.length / most;
  return {
    ...window,
    samples: samples.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step)),
  };
}

function startOf(seconds: number): number {
  return Math.floor(seconds / WINDOW_SECONDS) * WINDOW_SECONDS;
}

function sampleAt(words: Uint32Array, at: number, service: string, regions: readonly string[]): SampledQuery {
  const what = word(words, at + SampleWord.what);
  const region = (what >>> 8) & 0xff;
  return {
    service,
    region: region === NO_REGION ? null : (regions[region] ?? null),
    moment: word(words, at + SampleWord.moment),
    qnameHash: word(words, at + SampleWord.qnameHash),
    qtype: what >>> 16,
    isIpv6: (what & 0x80) !== 0,
    prefixLength: what & 0x7f,
    high: word(words, at + SampleWord.high),
    low: word(words, at + SampleWord.low),
  };
}

/** Words of a packed sample: names (16 bits each), moment, hash, type and prefix, address. */
const PACKED_WORDS = 6;
const NO_NAME = 0xffff;

/** The samples of a window as a store keeps them: numbers, and the names that they stand for. */
export interface PackedSamples {
  readonly names: readonly string[];
  readonly octets: Uint8Array<ArrayBuffer>;
}

/** Packs samples in 24 octets each, in the byte order of the machine. */
export function packSamples(samples: readonly SampledQuery[]): PackedSamples {
  const numbers = new Map<string, number>();
  const numberOf = (name: string): number => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  };
  const words = new Uint32Array(samples.length * PACKED_WORDS);
  for (const [i, sample] of samples.entries()) {
    const { service, region, moment, qnameHash, qtype, isIpv6, prefixLength, high, low } = sample;
    const names = (numberOf(service) << 16) | (region === null ? NO_NAME : numberOf(region));
    const what = (qtype << 16) | (isIpv6 ? 0x80 : 0) | prefixLength;
    words.set([names, moment, qnameHash, what, high, low], i * PACKED_WORDS);
  }
  return { names: [...numbers.keys()], octets: new Uint8Array(words.buffer) };
}

/** What `packSamples` was given. */
export function unpackSamples({ names, octets }: PackedSamples): readonly SampledQuery[] {
  const words = new Uint32Array(octets.buffer);
  return Array.from({ length: words.length / PACKED_WORDS }, (_, i) => {
    const at = i * PACKED_WORDS;
    const [name, moment, qnameHash] = [word(words, at), word(words, at + 1), word(words, at + 2)];
    const what = word(words, at + 3);
    const region = name & NO_NAME;
    return {
      service: names[name >>> 16] ?? "",
      region: region === NO_NAME ? null : (names[region] ?? null),
      moment,
      qnameHash,
      qtype: what >>> 16,
      isIpv6: (what & 0x80) !== 0,
      prefixLength: what & 0x7f,
      high: word(words, at + 4),
      low: word(words, at + 5),
    };
  });
}
