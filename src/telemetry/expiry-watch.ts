/** Tells when signatures come too near their end: the signer stands still, or the clock was set. */

/** What deserves a line in the log. */
export type ExpiryEvent = "late" | "renewed";

/** Signatures are made anew when a quarter to a half of their validity is left; what has less than this part left is late. */
const LATE_PART = 8;

/** Looks at a clock from time to time; all times are in seconds since 1970. */
export class ExpiryWatch {
  #earliest = Number.POSITIVE_INFINITY;
  #validitySeconds = 0;
  #isLate = false;

  get isLate(): boolean {
    return this.#isLate;
  }

  /** From now on the first signature expires at `earliest`; null: there is none. */
  note(earliest: number | null, validitySeconds: number): void {
    this.#earliest = earliest ?? Number.POSITIVE_INFINITY;
    this.#validitySeconds = validitySeconds;
  }

  /** null: nothing has changed. */
  look(now: number): ExpiryEvent | null {
    const isLate = this.#earliest - now < this.#validitySeconds / LATE_PART;
    if (isLate === this.#isLate) return null;
    this.#isLate = isLate;
    return isLate ? "late" : "renewed";
  }
}
