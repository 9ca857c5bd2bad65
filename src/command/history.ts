/** `meridian history`: what has changed on a node, when and why. */

import type { ApiOptions } from "./api-call.ts";
import { get } from "./get.ts";

/** Prints a line for each change, the newest first; `vip` keeps those of one VIP. */
export async function history({
  vip,
  since,
  ...options
}: ApiOptions & { readonly vip?: string; readonly since: string; readonly json?: boolean }): Promise<void> {
  const where = [`since=${since}`, ...(vip === undefined ? [] : [`vip=${vip}`])];
  await get("history", null, { ...options, where });
}
