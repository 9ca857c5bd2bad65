/** Tries what nobody has put in force yet, files, a config or facts, on the traffic that there was. */

import { inRequest } from "../problem.ts";
import type { Door } from "./door.ts";
import type { FactKeeper } from "./fact-keeper.ts";
import type { Edition, LiveBook } from "./live-book.ts";
import { type PreviewOutcome, preview } from "./preview.ts";
import type { RecordDesk } from "./record-desk.ts";
import { type RehearsalOutcome, type RehearsalRequest, rehearse, type Stage } from "./rehearse.ts";
import { type Attempt, FREE, type Review } from "./safety.ts";
import type { TrafficDesk } from "./traffic-desk.ts";

/** How much of the traffic before says whom other files would move. */
const PREVIEW_TRAFFIC_MS = 3_600_000;

export interface TrialsOptions {
  readonly door: Pick<Door, "load" | "version">;
  readonly book: Pick<LiveBook, "problemsOf">;
  readonly keeper: FactKeeper;
  readonly records: Pick<RecordDesk, "files" | "snapshots">;
  readonly traffic: Pick<TrafficDesk, "since">;
  readonly edition: () => Edition;
  readonly review: (attempt: Attempt) => Promise<Review>;
  readonly nowMs: () => number;
}

export class Trials {
  readonly #options: TrialsOptions;

  constructor(options: TrialsOptions) {
    this.#options = options;
  }

  async rehearse(request: RehearsalRequest): Promise<RehearsalOutcome> {
    return rehearse(request, await this.#stage(request.fromMs));
  }

  async preview(texts: ReadonlyMap<string, string>): Promise<PreviewOutcome> {
    const { door, book, records, review, nowMs } = this.#options;
    const version = door.version();
    const inForce = await records.snapshots.texts(records.files()?.version ?? 0);
    if (inForce.kind === "missing") return { kind: "refused", problems: [inRequest(inForce.message)] };
    const fromMs = nowMs() - PREVIEW_TRAFFIC_MS;
    const stage = await this.#stage(fromMs);
    return preview(texts, {
      version,
      snapshot: stage.edition.snapshot,
      inForce: inForce.value,
      load: (given) => door.load(given),
      review: async (proposed) => {
        let reviewed = FREE;
        const problems = await book.problemsOf(proposed, async (ruled) => {
          reviewed = await review({ kind: "files", ruled });
          return [];
        });
        return { problems, reviewed };
      },
      rehearse: (loaded, isEven) =>
        rehearse({ config: "", supposed: [], fromMs, isEven }, { ...stage, load: async () => loaded }),
    });
  }

  async #stage(fromMs: number): Promise<Stage> {
    const { door, keeper, traffic, edition, nowMs } = this.#options;
    return {
      edition: edition(),
      keeper,
      nowMs: nowMs(),
      load: (config) => door.load(config),
      windows: await traffic.since(fromMs),
    };
  }
}
