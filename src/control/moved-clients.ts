/** How many clients a change gives other addresses, and where they go. */

import type { Config, VipId } from "../config/config.ts";
import type { Plan } from "../steering/plan.ts";
import { formatPercent } from "../steering/words.ts";
import type { Crowd } from "./crowd.ts";
import { memberOfVip } from "./lookup.ts";
import type { Passage } from "./passage.ts";

/** What a change moves. */
export interface Moved {
  readonly basis: Crowd["basis"];
  /** Of all clients, 0 to 1. */
  readonly share: number;
  /** Where clients go from where, as shares of all clients, the most first. */
  readonly routes: readonly { readonly from: string; readonly to: string; readonly share: number }[];
  /** Who gets more clients. */
  readonly gaining: ReadonlySet<VipId>;
  /** Services by the share of their own clients that is moved, the most first. */
  readonly services: readonly { readonly service: string; readonly share: number }[];
}

/** Sums of floating-point numbers: what is left of them by rounding is no move. */
const ROUNDING = 1e-9;

const LISTED_MAX = 5;

/** Adds up what a change does to one passage after the other. */
export class MovedClients {
  readonly #crowd: Crowd;
  readonly #routes = new Map<string, { readonly from: string; readonly to: string; clients: number }>();
  #services: { readonly service: string; readonly share: number }[] = [];
  readonly #gaining = new Set<VipId>();
  #clients = 0;

  constructor(crowd: Crowd) {
    this.#crowd = crowd;
  }

  add({ services, before, after }: Passage): void {
    let [clients, moved] = [0, 0];
    for (const flow of this.#crowd.flows(services, before.split, after?.split ?? before.split)) {
      clients += flow.clients;
      const from = before.plans.get(flow.classBefore)?.[flow.family];
      if (from === undefined) continue;
      const to = after === null ? GONE : after.plans.get(flow.classAfter)?.[flow.family];
      if (to === undefined) continue;
      const part = this.#route(
        placesOf(from, before.config),
        placesOf(to, after?.config ?? before.config),
        flow.clients,
      );
      moved += part * flow.clients;
    }
    if (moved === 0) return;
    this.#clients += moved;
    const [service = ""] = services;
    const others = services.length === 1 ? "" : ` (+${services.length - 1} like it)`;
    this.#services.push({ service: `${service}${others}`, share: moved / clients });
    if (this.#services.length > 20 * LISTED_MAX) this.#services = mostOf(this.#services);
  }

  sum(): Moved {
    const { total, basis } = this.#crowd;
    const routes = Array.from(this.#routes.values(), ({ from, to, clients }) => ({
      from,
      to,
      share: clients / total,
    }));
    return {
      basis,
      share: total === 0 ? 0 : this.#clients / total,
      routes: mostOf(routes),
      gaining: this.#gaining,
      services: mostOf(this.#services),
    };
  }

  /** The part of the answers, 0 to 1, that are others; notes between which regions. */
  #route(before: Places, after: Places, clients: number): number {
    const lost: [string, number][] = [];
    const won: [string, number][] = [];
    for (const address of new Set([...before.keys(), ...after.keys()])) {
      const [was, is] = [before.get(address), after.get(address)];
      const gain = (is?.share ?? 0) - (was?.share ?? 0);
      if (gain > ROUNDING) won.push([is?.region ?? "", gain]);
      if (gain > ROUNDING && is !== undefined && is.vip !== null) this.#gaining.add(is.vip);
      if (gain < -ROUNDING) lost.push([was?.region ?? "", -gain]);
    }
    const part = lost.reduce((sum, [, share]) => sum + share, 0);
    for (const [from, loss] of lost)
      for (const [to, gain] of won) {
        const key = JSON.stringify([from, to]);
        const route = this.#routes.get(key) ?? { from, to, clients: 0 };
        route.clients += (clients * loss * gain) / part;
        this.#routes.set(key, route);
      }
    return part;
  }
}

/** `eu-west -> us-east: 31 % of clients`, then `www.example: 48 % of its clients`. */
export function describeMove({ routes, services }: Moved): readonly string[] {
  return [
    ...routes.map(({ from, to, share }) => `${from} -> ${to}: ${formatPercent(share)} of all clients`),
    ...services.map(({ service, share }) => `${service}: ${formatPercent(share)} of its clients`),
  ];
}

/** Shares of answers by address, with the region where that stands; what is no address has its word for both. */
type Places = ReadonlyMap<
  string,
  { readonly share: number; readonly region: string; readonly vip: VipId | null }
>;

const GONE: Plan = { kind: "nodata", lastResort: false };

function placesOf(plan: Plan, config: Config): Places {
  if (plan.kind !== "answer") {
    const word = plan.kind.toUpperCase();
    return new Map([[word, { share: 1, region: word, vip: null }]]);
  }
  const places = new Map<string, { share: number; region: string; vip: VipId }>();
  for (const { vip, share } of plan.shares) {
    const member = memberOfVip(config, vip);
    const address = [member?.ipv4, member?.ipv6].find((one) => one?.id === vip)?.address.text ?? vip;
    const known = places.get(address);
    // Two members may have one address.
    if (known !== undefined) known.share += share;
    else places.set(address, { share, region: member?.region ?? vip, vip });
  }
  return places;
}

function mostOf<T extends { readonly share: number }>(list: readonly T[]): T[] {
  return list.toSorted((a, b) => b.share - a.share).slice(0, LISTED_MAX);
}
