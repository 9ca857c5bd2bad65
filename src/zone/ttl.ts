/** TTLs and other times in master files: seconds, or units as in `1h30m`. */

/** The longest TTL (RFC 2181 §8). */
export const ttlMax: number = 2 ** 31 - 1;

/** What a message says a TTL is. */
export const ttlExpected: string = `expected seconds up to ${ttlMax}, or units as in 1h30m`;

const secondsOf: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
  ["w", 604_800],
]);

/** Seconds from a text such as `300`, `1h30m` or `1W`; null where it is no TTL, or longer than the longest. */
export function parseTtl(text: string): number | null {
  let seconds = 0;
  if (/^\d+$/.test(text)) seconds = Number(text);
  else if (/^(\d+[smhdw])+$/i.test(text)) {
    for (const [, count, unit = ""] of text.toLowerCase().matchAll(/(\d+)([smhdw])/g)) {
      seconds += Number(count) * (secondsOf.get(unit) ?? 0);
    }
  } else return null;
  return seconds <= ttlMax ? seconds : null;
}
