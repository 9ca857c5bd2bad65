/** Master files for configurations that have no zone of their own, or no SOA in it. */

import type { Draft } from "./draft.ts";
import type { Origin } from "./item.ts";

/** An address that stands for nobody (RFC 5737). */
const NOBODY = "192.0.2.53";

/** The head of a zone: what the other server makes by itself has to be said here. `servers` are its NS, with final dots. */
export function zoneHead(draft: Draft, apex: string, servers: readonly string[], origin: Origin): string {
  const [first = `ns1.${apex}`] = servers;
  draft.note(
    "assumed",
    origin,
    `the SOA of ${apex}: set its servers and times, and raise its serial with each change`,
  );
  const head = `$ORIGIN ${apex}\n$TTL 3600\n@ SOA ${first} hostmaster.${apex} 1 3600 900 1209600 60\n`;
  if (servers.length > 0) return head;
  draft.note("assumed", origin, `${first} at ${NOBODY} is the name server of ${apex}: say which it is`);
  return `${head}@ NS ${first}\n${first} A ${NOBODY}\n`;
}
