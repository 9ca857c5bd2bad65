/** gdnsd's service types -> checks. */

import { asName, type Draft } from "./draft.ts";
import { type Item, numberOf, type Origin, textOf, textsOf, valueAt } from "./item.ts";

/** What gdnsd takes where nothing is said (gdnsd.config(5)). */
const DEFAULTS = { intervalSeconds: 10, upThresh: 20, downThresh: 10 } as const;
/** Meridian's own limit. */
const THRESHOLD_MAX = 100;

/** Makes checks of service types as they are asked for. */
export class ServiceTypes {
  readonly #draft: Draft;
  readonly #types: Item | null;

  /** `types` is the section of the configuration. */
  constructor(draft: Draft, types: Item | null) {
    this.#draft = draft;
    this.#types = types;
  }

  /** The check of what is monitored by these service types; null: it is not monitored. */
  checkFor(said: Item | null, item: Item): string | null {
    const types = textsOf(said).filter((type) => type !== "up");
    const checks = types.flatMap((type) => this.#serviceType(type, said ?? item) ?? []);
    const [first] = checks;
    if (first === undefined || checks.length === 1) return first ?? null;
    const name = asName(checks.join("-and-"));
    if (this.#draft.hasCheck(name)) return name;
    this.#draft.noteOnce(
      "changed",
      said ?? item,
      `${checks.join(" and ")} are one check, at the times of the first`,
    );
    const times = this.#timing(valueAt(this.#types, types[0] ?? ""));
    return this.#draft.check(name, { type: "calculated", of: checks, need: "all", ...times });
  }

  #serviceType(type: string, origin: Origin): string | null {
    const name = asName(type);
    if (this.#draft.hasCheck(name)) return name;
    const item = valueAt(this.#types, type);
    const plugin = textOf(valueAt(item, "plugin"));
    const port = numberOf(valueAt(item, "port"));
    const times = this.#timing(item);
    if (item !== null && (plugin === "http_status" || plugin === "tcp_connect"))
      this.#draft.noteOnce(
        "changed",
        item,
        "down_thresh: failures in a row count, and no others; after a first failure the next probe comes after `recheck`, here the interval",
      );
    if (plugin === "http_status") {
      const [path, host] = [textOf(valueAt(item, "url_path")), textOf(valueAt(item, "vhost"))];
      const codes = textsOf(valueAt(item, "ok_codes")).map(Number);
      return this.#draft.check(name, {
        type: "http",
        ...(port === null ? {} : { port }),
        ...(path === null ? {} : { path }),
        ...(host === null ? {} : { host }),
        expect: { codes: codes.length === 0 ? [200] : codes },
        ...times,
      });
    }
    if (plugin === "tcp_connect" && port !== null)
      return this.#draft.check(name, { type: "tcp", port, ...times });
    const isUp = plugin === "static" && textOf(valueAt(item, "state"))?.toUpperCase() !== "DOWN";
    if (!isUp)
      this.#draft.noteOnce(
        "left-out",
        item ?? origin,
        `service type ${type}${plugin === null ? "" : ` (${plugin})`}: not checked, so always up; write a check, or force verdicts by the API`,
      );
    return null;
  }

  #timing(item: Item | null): Record<string, unknown> {
    const seconds = numberOf(valueAt(item, "interval")) ?? DEFAULTS.intervalSeconds;
    const timeout = numberOf(valueAt(item, "timeout")) ?? Math.max(1, Math.trunc(seconds / 2));
    const [up, down] = [
      numberOf(valueAt(item, "up_thresh")) ?? DEFAULTS.upThresh,
      numberOf(valueAt(item, "down_thresh")) ?? DEFAULTS.downThresh,
    ];
    return {
      interval: `${seconds}s`,
      timeout: `${Math.min(timeout, seconds)}s`,
      recheck: `${seconds}s`,
      rise: Math.min(up, THRESHOLD_MAX),
      fall: Math.min(down, THRESHOLD_MAX),
      slowStart: "0s",
    };
  }
}
