/** The torture zone with its services, answered in this process. */

import { planOf, Server, serviceOf, vipOf, zoneOf } from "../answer/harness.ts";
import { STEERED, TORTURE } from "./torture.ts";

/** A server of its own, so that what a test changes is changed for nobody else. */
export function tortureServer(): Server {
  const both = [{ ipv4: planOf({ "192.0.2.101": 1 }), ipv6: planOf({ "2001:db8::101": 1 }) }];
  const only4 = [{ ipv4: planOf({ "192.0.2.102": 0.5, "192.0.2.103": 0.5 }), ipv6: planOf({}) }];
  const services = [
    serviceOf("www.t.", both, null, { alpn: ["h2", "h3"], port: null }),
    serviceOf("v4only.t.", only4),
  ];
  const vips = ["192.0.2.101", "192.0.2.102", "192.0.2.103", "2001:db8::101"].map(vipOf);
  return new Server([zoneOf(TORTURE + STEERED)], services, vips);
}
