/** Items filed under the second they fall due, so that a tick looks only at what is due. */

const SLOT_MS = 1_000;

/** A queue by time. It does not know what an item is, nor whether its time has been put off meanwhile. */
export class Calendar<Item> {
  readonly #slots = new Map<number, Item[]>();

  /** Files an item. */
  add(item: Item, atMs: number): void {
    const slot = slotOf(atMs);
    const items = this.#slots.get(slot);
    if (items === undefined) this.#slots.set(slot, [item]);
    else items.push(item);
  }

  /**
   * Takes out what falls due in the second of `nowMs` or before. Some of it may be due a little later, or later by
   * far because its time was put off: the caller looks, and files it again. So putting off costs nothing.
   */
  take(nowMs: number): readonly Item[] {
    const taken: Item[] = [];
    for (const [slot, items] of this.#slots) {
      if (slot > slotOf(nowMs)) continue;
      for (const item of items) taken.push(item);
      this.#slots.delete(slot);
    }
    return taken;
  }
}

function slotOf(atMs: number): number {
  return Math.floor(atMs / SLOT_MS);
}
