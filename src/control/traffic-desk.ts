/** What is known of the traffic, and what is asked of it. */

import type { Config } from "../config/config.ts";
import type { ProfileConfig } from "../config/node.ts";
import type { MeasuredService } from "../telemetry/measured.ts";
import { capacities, type PoolCapacity } from "./capacity.ts";
import type { Complaints } from "./complaints.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import { inTurns } from "./in-turns.ts";
import type { Edition } from "./live-book.ts";
import { measureServices } from "./measure-services.ts";
import { type ProfileStore, type ProfileWindow, TrafficProfile } from "./profile.ts";
import type { Publisher } from "./publish.ts";
import { type ServiceShares, splits } from "./splits.ts";
import { ifAvailable } from "./store-file.ts";

/** How much of the traffic before says whom a region's death would move. */
const CAPACITY_TRAFFIC_MS = 3_600_000;

export interface TrafficDeskOptions {
  readonly store: ProfileStore;
  /** null: the config does not want it kept. */
  readonly profile: ProfileConfig | null;
  readonly publisher: Publisher;
  readonly keeper: FactKeeper;
  readonly edition: () => Edition;
  readonly nowMs: () => number;
  readonly complaints: Complaints;
}

/** Keeps the profile of traffic, where that is wanted. */
export class TrafficDesk {
  readonly #options: TrafficDeskOptions;
  readonly #profile: TrafficProfile | null;

  constructor(options: TrafficDeskOptions) {
    const { profile, store, nowMs } = options;
    this.#options = options;
    if (profile === null) ifAvailable(() => store.dropWindows(Number.MAX_SAFE_INTEGER), undefined);
    this.#profile = profile === null ? null : new TrafficProfile(store, profile, nowMs());
  }

  /** Follows the names of another book. */
  use(config: Config): void {
    this.#profile?.use(this.#options.publisher.versionServed, config);
  }

  /** What is known since a moment, the oldest first, until now; null: it is not kept. */
  async since(fromMs: number): Promise<Iterable<ProfileWindow> | null> {
    await this.takeSamples();
    return this.#profile?.windows(fromMs) ?? null;
  }

  /** What says whom a region's death would move. */
  recent(): Promise<Iterable<ProfileWindow> | null> {
    return this.since(this.#options.nowMs() - CAPACITY_TRAFFIC_MS);
  }

  async splits(fromMs: number): Promise<readonly ServiceShares[] | null> {
    const windows = await this.since(fromMs);
    const { planner, snapshot } = this.#options.edition();
    return windows === null ? null : inTurns(splits(planner, snapshot.config, windows));
  }

  async capacities(): Promise<readonly PoolCapacity[]> {
    const { edition, keeper, nowMs } = this.#options;
    const windows = await this.recent();
    const { planner, snapshot } = edition();
    return inTurns(capacities(planner, keeper.facts(nowMs()), snapshot.config, windows ?? []));
  }

  /** How the first of the services stand, and where their answers led. */
  measureServices(): Promise<readonly MeasuredService[]> {
    const { planner, snapshot } = this.#options.edition();
    const answersOf = (service: string): ReadonlyMap<string, number> =>
      this.#profile?.answersOf(service) ?? new Map();
    return inTurns(measureServices(planner, snapshot.config, answersOf));
  }

  /** What has come in until now goes into the profile. */
  async takeSamples(): Promise<void> {
    if (this.#profile === null) return;
    try {
      this.#profile.take(await this.#options.publisher.samples());
    } catch (cause) {
      this.#options.complaints.say("the profile of traffic is not kept", cause);
    }
  }

  /** Writes what is not written yet. */
  save(): void {
    ifAvailable(() => this.#profile?.save(), undefined);
  }
}
