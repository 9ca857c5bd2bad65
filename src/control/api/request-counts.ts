/** Counts requests to the API by route and status. */

import type { MeasuredRequests } from "../../telemetry/measured.ts";
import type { Api } from "./api.ts";

/** How many there were since control started: no more kinds than there are routes, methods and statuses. */
export class RequestCounts {
  readonly #counts = new Map<string, MeasuredRequests>();

  /** Counts every request of routes that are added from now on, and those for which there is none. */
  constructor(app: Api) {
    app.addHook("onResponse", (request, reply, done) => {
      const route = request.routeOptions.url;
      // A method that nobody knows is a stranger's choice of words.
      const method = route === undefined ? "any" : request.method;
      const status = String(reply.statusCode);
      const key = `${method} ${route} ${status}`;
      const count = (this.#counts.get(key)?.count ?? 0) + 1;
      this.#counts.set(key, { method, route: route ?? "none", status, count });
      done();
    });
  }

  all(): readonly MeasuredRequests[] {
    return [...this.#counts.values()];
  }
}
