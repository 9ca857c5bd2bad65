/**
 * Counters in shared memory: each thread that answers owns a row and adds to it without locks; control reads sums.
 *
 * Cells are doubles: exact up to 2^53, and a store of 8 octets is never seen half done.
 */

/** What is counted, in the order of the cells in a row. */
const COUNTER_NAMES = [
  /** Queries by transport, in the order of `Transport`. */
  "queriesUdp",
  "queriesTcp",
  "queriesTls",
  "queriesHttps",
  /** Of those over UDP. */
  "queriesXdp",
  "dropped",
  "formErr",
  "badVers",
  "notImp",
  "refused",
  "servFail",
  "nxDomain",
  "noData",
  "answered",
  "referrals",
  "steered",
  "truncated",
  "withSubnet",
  "receiveErrors",
  "sendErrors",
  "crashes",
  /** Connections by transport; those with TLS after their handshake. */
  "connectionsTcp",
  "connectionsTls",
  "connectionsHttps",
  "connectionsRefused",
  /** Those of clients whose connections again and again came to nothing. */
  "connectionsBarred",
  /** Connections that are open now. */
  "connectionsOpen",
  "tlsFailures",
  /** Responses over HTTPS by status. */
  "https200",
  "https400",
  "https404",
  "https405",
  "https413",
  "https414",
  "https415",
  "badCookie",
  /** Queries with cookies, in the order of `CookieProof`. */
  "cookieClientOnly",
  "cookieInvalid",
  "cookieValid",
  /** Responses that the rate limit held back. */
  "limitDropped",
  "limitTruncated",
  "wouldDrop",
  "wouldTruncate",
  "workersDied",
  "workersHung",
  "forwarded",
  "notAuth",
  /** When certificates end, in seconds since 1970; 0: there is none. */
  "tlsCertificateEnd",
  "httpsCertificateEnd",
  /** Signatures made ahead, made because a query needed them, and refused to queries for want of budget. */
  "signedAhead",
  "signedOnDemand",
  "signingRefused",
  /** Of signatures made ahead: how many are ready now, how many there is no room for, and until when all of them hold, in seconds since 1970. */
  "signaturesReady",
  "signaturesLeft",
  "signaturesHoldUntil",
  /** 1: some signature has not been made anew in time. */
  "signaturesLate",
] as const;

export type CounterName = (typeof COUNTER_NAMES)[number];

/**
 * The cell of each counter in a row. Read from JSON, because V8 keeps such objects as quick as literals; of those that
 * are put together name by name it makes hash tables, which took 9 ns of an answer.
 */
export const Counter: Readonly<Record<CounterName, number>> = JSON.parse(
  JSON.stringify(Object.fromEntries(COUNTER_NAMES.map((name, cell) => [name, cell]))),
);

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
  add(row, cell, 1);
}

/** Adds to a cell. */
export function add(row: Float64Array, cell: number, amount: number): void {
  row[cell] = (row[cell] ?? 0) + amount;
}

/** The sums over all rows. */
export function sumCounters(counters: SharedArrayBuffer): number[] {
  const cells = new Float64Array(counters);
  const sums = new Array<number>(ROW_CELLS).fill(0);
  for (let i = 0; i < cells.length; i += 1)
    sums[i % ROW_CELLS] = (sums[i % ROW_CELLS] ?? 0) + (cells[i] ?? 0);
  return sums;
}
