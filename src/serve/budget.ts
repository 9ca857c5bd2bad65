/** How many packets a thread may leave to control. */

/** In a second: far more than certificates are renewed, far less than would keep the parent from its TCP clients. */
const FORWARDS_PER_SECOND = 100;

/** A budget for each second. */
export class Budget {
  #second = 0;
  #left = 0;

  /** Takes one out of the second's budget; false: there is none left. */
  take(nowMs: number): boolean {
    const second = Math.trunc(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#left = FORWARDS_PER_SECOND;
    }
    this.#left -= 1;
    return this.#left >= 0;
  }
}
