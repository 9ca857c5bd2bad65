/** What dns and control tell each other, over the channel between parent and child process. */

/** From control to dns. */
export type ToDns =
  /** Control has started: everything is loaded, and the API listens. */
  | { readonly kind: "ready" }
  /** A whole book lies at `path`. */
  | { readonly kind: "adopt"; readonly version: number; readonly path: string }
  /** New plans for the book of that version, packed; dropped when dns serves another. */
  | { readonly kind: "patch"; readonly version: number; readonly packed: Uint32Array }
  | { readonly kind: "counters"; readonly request: number }
  /** The book on disk holds every patch that was sent before. */
  | { readonly kind: "saved" };

/** From dns to control. */
export type ToControl =
  /** First message: the version dns serves already, 0 for none. */
  | { readonly kind: "hello"; readonly version: number }
  | { readonly kind: "adopted"; readonly version: number }
  | { readonly kind: "refused"; readonly version: number; readonly reason: string }
  /** Asks that the files be read now, whether they have changed or not. */
  | { readonly kind: "reload" }
  /** Asks that the book on disk be brought up to date now. */
  | { readonly kind: "save" }
  /** Sums over all threads, in the order of `COUNTER_NAMES`, then one for each region number. */
  | { readonly kind: "counters"; readonly request: number; readonly values: readonly number[] };
