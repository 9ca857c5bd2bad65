/** Puts looks at a route together to runs, as they come in. */

import type { Course, Observation, Route, Run } from "./observation.ts";

/** Answers that are drawn anew each second make a run a second: this is enough for more than an hour of them. */
const RUNS_MAX = 5_000;

/** The course of a route, while it is watched. */
export class CourseRecorder implements Course {
  readonly route: Route;
  readonly #hasRoomFor: (run: Run) => boolean;
  readonly #runs: Run[] = [];
  #dropped = 0;

  /** `hasRoomFor` is asked before each run that is begun: others share the room with it. */
  constructor(route: Route, hasRoomFor: (run: Run) => boolean) {
    this.route = route;
    this.#hasRoomFor = hasRoomFor;
  }

  get runs(): readonly Run[] {
    return this.#runs;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Adds a look; they come in the order in which they began. After the first that is dropped all are, so that runs have no holes. */
  add(observation: Observation): void {
    const look = runOf(observation);
    const last = this.#runs.at(-1);
    if (this.#dropped > 0) this.#dropped += 1;
    else if (last !== undefined && sawTheSame(last, look))
      this.#runs[this.#runs.length - 1] = join(last, look);
    else if (this.#runs.length < RUNS_MAX && this.#hasRoomFor(look)) this.#runs.push(look);
    else this.#dropped += 1;
  }
}

function runOf({ askedAtMs, reply, connection }: Observation): Run {
  return {
    rcode: reply?.rcode ?? null,
    addresses: [...new Set(reply?.addresses)].sort(),
    connection: connection === null ? "none" : connection.problem === null ? "made" : "failed",
    looks: 1,
    firstAskedAtMs: askedAtMs,
    firstSeenAtMs: reply?.atMs ?? askedAtMs,
    lastAskedAtMs: askedAtMs,
    connectedAtMs: connection?.endedAtMs ?? null,
    ttlSecondsMax: reply?.ttlSeconds ?? null,
  };
}

function sawTheSame(a: Run, b: Run): boolean {
  return a.rcode === b.rcode && a.connection === b.connection && a.addresses.join() === b.addresses.join();
}

function join(run: Run, look: Run): Run {
  const ttls = [run.ttlSecondsMax, look.ttlSecondsMax].filter((ttl) => ttl !== null);
  return {
    ...run,
    looks: run.looks + 1,
    lastAskedAtMs: look.lastAskedAtMs,
    ttlSecondsMax: ttls.length === 0 ? null : Math.max(...ttls),
  };
}
