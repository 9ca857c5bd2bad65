/**
 * Counters in shared memory: each thread that answers owns a row and adds to it without locks; control reads sums.
 *
 * Cells are doubles: exact up to 2^53, and a store of 8 octets is never seen half done.
 */

/** What is counted, with its cell in a row. */
export const Counter = {
  /** Queries by transport, in the order of `Transport`. */
  queriesUdp: 0,
  queriesTcp: 1,
  queriesTls: 2,
  queriesHttps: 3,
  dropped: 4,
  formErr: 5,
  badVers: 6,
  notImp: 7,
  refused: 8,
  servFail: 9,
  nxDomain: 10,
  noData: 11,
  answered: 12,
  referrals: 13,
  steered: 14,
  truncated: 15,
  withSubnet: 16,
  receiveErrors: 17,
  sendErrors: 18,
  crashes: 19,
  /** Connections by transport; those with TLS after their handshake. */
  connectionsTcp: 20,
  connectionsTls: 21,
  connectionsHttps: 22,
  connectionsRefused: 23,
  /** Connections that are open now. */
  connectionsOpen: 24,
  tlsFailures: 25,
  /** Responses over HTTPS by status. */
  https200: 26,
  https400: 27,
  https404: 28,
  https405: 29,
  https413: 30,
  https414: 31,
  https415: 32,
  badCookie: 33,
  /** Queries with cookies, in the order of `CookieProof`. */
  cookieClientOnly: 34,
  cookieInvalid: 35,
  cookieValid: 36,
  /** Responses that the rate limit held back. */
  limitDropped: 37,
  limitTruncated: 38,
  wouldDrop: 39,
  wouldTruncate: 40,
  workersDied: 41,
  workersHung: 42,
  forwarded: 43,
} as const;

/** The names of the counters, in the order of their cells. */
export const COUNTER_NAMES: readonly string[] = Object.keys(Counter);

/** The first cell of the picks by region number; a row has room for `REGIONS_MAX` of them. */
export const PICKS_AT: number = COUNTER_NAMES.length;
/** More regions than this share the last cell. */
export const REGIONS_MAX = 256;
/** Cells in a row. */
export const ROW_CELLS: number = PICKS_AT + REGIONS_MAX;

/** Memory for the rows of `threads` threads. */
export function newCounters(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * ROW_CELLS * Float64Array.BYTES_PER_ELEMENT);
}

/** The row of one thread. */
export function counterRow(counters: SharedArrayBuffer, thread: number): Float64Array {
  return new Float64Array(counters, thread * ROW_CELLS * Float64Array.BYTES_PER_ELEMENT, ROW_CELLS);
}

/** Adds one to a cell. */
export function count(row: Float64Array, cell: number): void {
  row[cell] = (row[cell] ?? 0) + 1;
}

/** The sums over all rows. */
export function sumCounters(counters: SharedArrayBuffer): number[] {
  const cells = new Float64Array(counters);
  const sums = new Array<number>(ROW_CELLS).fill(0);
  for (let i = 0; i < cells.length; i += 1)
    sums[i % ROW_CELLS] = (sums[i % ROW_CELLS] ?? 0) + (cells[i] ?? 0);
  return sums;
}
