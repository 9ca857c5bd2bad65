/**
 * Patterns that are searched for in what strangers send.
 *
 * A backtracking engine takes years for `(a+)+$` and the right 40 octets, and an agent has one thread. So these are
 * matched by V8's other engine, whose time is linear in the text: 64 KiB take 5 to 60 ms at worst. It refuses what it
 * cannot do: lookaround, back references, and counts that make a pattern large.
 */

import { setFlagsFromString } from "node:v8";

/**
 * The engine stands behind a switch that adds the flag "l" to regular expressions, and changes nothing for those without
 * it. It is thrown by the first pattern: V8 takes its caches of compiled code for those of other switches then.
 */
let isEnabled = false;

/** A pattern, ready to be matched; null where it is none, or none that is matched in linear time. */
export function compilePattern(text: string): RegExp | null {
  if (!isEnabled) setFlagsFromString("--enable-experimental-regexp-engine");
  isEnabled = true;
  try {
    return new RegExp(text, "l");
  } catch {
    return null;
  }
}
