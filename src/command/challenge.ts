/** `meridian challenge`: TXT RRs that a certificate authority looks at, without an edit of any zone (RFC 8555 §8.4). */

import { type ApiOptions, askApi } from "./api-call.ts";
import { print } from "./console.ts";

/** Answers a value at `_acme-challenge` of a name, for so long. */
export async function setChallenge(
  name: string,
  value: string,
  options: ApiOptions & { readonly for?: string },
): Promise<void> {
  const until = options.for === undefined ? {} : { until: `+${options.for}` };
  const made = await askApi("PUT", pathOf(name, value), until, options);
  if (made !== null) print(`_acme-challenge.${name} has ${value}`);
}

/** Ends one. */
export async function endChallenge(name: string, value: string, options: ApiOptions): Promise<void> {
  if ((await askApi("DELETE", pathOf(name, value), null, options)) !== null)
    print(`_acme-challenge.${name} has ${value} no more`);
}

function pathOf(name: string, value: string): string {
  return `/v1/challenges/${encodeURIComponent(name)}/${encodeURIComponent(value)}`;
}
