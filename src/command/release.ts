/** `meridian release`: brings up what is healthy and held down. */

import { type ApiOptions, postToApi } from "./api-call.ts";
import { print } from "./console.ts";
import { targetOf } from "./override.ts";

/** `name` is a region, a member (`pool/member`) or a VIP (`pool/member/ipv4`). */
export async function release(
  name: string,
  options: ApiOptions & { readonly reason: string },
): Promise<void> {
  const body = { target: targetOf(name), reason: options.reason };
  if ((await postToApi("/v1/releases", body, options)) !== null) print(`${name} is released`);
}
