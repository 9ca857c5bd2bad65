/** Lists of prefixes that operators give: short, and looked through only for what is rare. */

import type { Prefix } from "../wire/address.ts";
import { u8 } from "../wire/bytes.ts";
import type { Client } from "./client.ts";

/** Whether the client's address is in one of the prefixes. */
export function isAmong(prefixes: readonly Prefix[], client: Client): boolean {
  for (const prefix of prefixes) {
    if (prefix.address.family === client.family && covers(prefix, client)) return true;
  }
  return false;
}

function covers({ address, length }: Prefix, client: Client): boolean {
  const whole = length >> 3;
  for (let i = 0; i < whole; i += 1) if (u8(address.bytes, i) !== u8(client.address, i)) return false;
  const rest = length & 7;
  return rest === 0 || (u8(address.bytes, whole) ^ u8(client.address, whole)) >> (8 - rest) === 0;
}
