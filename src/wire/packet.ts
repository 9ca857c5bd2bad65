/** Memory of a message, in the two forms in which it is read and written. */
export class Packet {
  readonly octets: Uint8Array;
  /** Integers of any alignment: one access each, where octets one by one would take four. */
  readonly view: DataView;

  constructor(octets: Uint8Array) {
    this.octets = octets;
    this.view = viewOf(octets);
  }
}

/** A view of the same memory. */
export function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
