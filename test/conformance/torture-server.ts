/** The torture zone with its services, answered in this process. */

import type { AnswerOptions } from "../../src/answer/options.ts";
import type { Signing } from "../../src/dnssec/signer.ts";
import type { Plan } from "../../src/steering/plan.ts";
import { nameKey } from "../../src/wire/name.ts";
import { planOf, Server, serviceOf, vipOf, zoneOf } from "../answer/harness.ts";
import { withKeys } from "../answer/validator.ts";
import { STEERED, TORTURE } from "./torture.ts";

/** A server of its own, so that what a test changes is changed for nobody else; `signing` null: the zone is not signed. */
export function tortureServer(options: Partial<AnswerOptions> = {}, signing: Signing | null = null): Server {
  const both = [{ ipv4: planOf({ "192.0.2.101": 1 }), ipv6: planOf({ "2001:db8::101": 1 }) }];
  const only4 = [{ ipv4: planOf({ "192.0.2.102": 0.5, "192.0.2.103": 0.5 }), ipv6: planOf({}) }];
  const two = planOf({ "192.0.2.101": 0.5, "192.0.2.102": 0.5 }) as Plan & { readonly kind: "answer" };
  const together = { ...two, spreads: [{ count: 2, shares: two.shares }] };
  const services = [
    serviceOf("www.t.", both, null, { alpn: ["h2", "h3"], port: null }),
    serviceOf("several.t.", [{ ...both[0]!, ipv4: together }], null, { alpn: ["h2"], port: null }),
    serviceOf("v4only.t.", only4),
  ];
  const vips = ["192.0.2.101", "192.0.2.102", "192.0.2.103", "2001:db8::101"].map(vipOf);
  const zone = zoneOf(TORTURE + STEERED);
  if (signing === null) return new Server([zone], services, vips, options);
  const keys = new Map([[nameKey(zone.apex), signing]]);
  return new Server([withKeys(zone, signing)], services, vips, options, keys);
}
