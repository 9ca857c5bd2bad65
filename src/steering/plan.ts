/** A policy worked out for one class of clients. */

import type { VipId } from "../config/config.ts";

/** For one service, one class of clients and one family: the VIPs to answer with. */
export type Plan =
  | {
      readonly kind: "answer";
      /** Shares are above 0 and add up to 1; the order is the policy's and stable, because picks depend on it. */
      readonly shares: readonly Share[];
      /** True when the policy was down at its root and `whenDown` chose these. */
      readonly lastResort: boolean;
    }
  | { readonly kind: "nodata"; readonly lastResort: boolean }
  | { readonly kind: "servfail" };

export interface Share {
  readonly vip: VipId;
  readonly share: number;
}
