/**
 * A traffic policy document of Amazon Route 53 (format versions 2015-10-01 and 2023-05-09) -> a service and its policy.
 *
 * Endpoints become pools of one member, rules policies. Health checks are only named in the document; what they do is in the output of
 * `aws route53 list-health-checks`, if that is given too.
 */

import type { Checked } from "../problem.ts";
import { parseAddress } from "../wire/address.ts";
import { asName, Draft, type DraftPolicy, inOrder, MAIN_REGION, type Translation } from "./draft.ts";
import { type Item, isTrue, itemsOf, numberOf, type Origin, readItem, textOf, valueAt } from "./item.ts";
import { zoneHead } from "./master-file.ts";
import { placeOf } from "./places.ts";

/** What of a policy record the document does not say. */
export interface PolicyRecord {
  /** The name that is steered. */
  readonly name: string;
  readonly zone: string;
  readonly ttlSeconds: number;
}

/** A text with the name of its file. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** A multivalue answer has no more. */
const SPREAD_MAX = 8;
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** Translates a document; `healthChecks` null: they are not known. The value is null where it cannot be read. */
export function importRoute53(
  document: SourceText,
  healthChecks: SourceText | null,
  record: PolicyRecord,
): Checked<Translation> {
  const read = readItem(document.file, document.text);
  const checks = healthChecks === null ? null : readItem(healthChecks.file, healthChecks.text);
  const problems = [...read.problems, ...(checks?.problems ?? [])];
  if (read.value === null || problems.length > 0) return { value: null, problems };
  if (valueAt(read.value, "RecordType") === null) {
    const { file } = document;
    return {
      value: null,
      problems: [
        { file, line: 1, column: 1, message: 'expected a traffic policy document, with "RecordType"' },
      ],
    };
  }
  return { value: new Route53Import(read.value, checks?.value ?? null, record).translate(), problems: [] };
}

/** A place in a rule that names an endpoint or another rule. */
interface Reference {
  readonly item: Item;
  /** The region of what is below; null: nothing above says one. */
  readonly region: string | null;
}

class Route53Import {
  readonly #draft = new Draft();
  readonly #document: Item;
  readonly #checks: ReadonlyMap<string, Item>;
  readonly #record: PolicyRecord;
  readonly #open = new Set<string>();
  /** Pools by endpoint, health check and region. */
  readonly #pools = new Map<string, DraftPolicy | null>();

  constructor(document: Item, healthChecks: Item | null, record: PolicyRecord) {
    this.#document = document;
    const listed = itemsOf(valueAt(healthChecks, "HealthChecks")).map(
      (item) => [textOf(valueAt(item, "Id")) ?? "", item] as const,
    );
    this.#checks = new Map(listed);
    this.#record = record;
  }

  translate(): Translation {
    const { name, zone, ttlSeconds } = this.#record;
    const apex = `${zone.replace(/\.$/, "").toLowerCase()}.`;
    const type = textOf(valueAt(this.#document, "RecordType")) ?? "";
    if (type !== "A" && type !== "AAAA")
      this.#draft.note("left-out", this.#document, `RecordType ${type}: Meridian steers A, AAAA and HTTPS`);
    const rule = textOf(valueAt(this.#document, "StartRule"));
    const endpoint = textOf(valueAt(this.#document, "StartEndpoint"));
    const policy =
      rule !== null
        ? this.#rule(rule, null, this.#document)
        : endpoint === null
          ? null
          : this.#endpoint(endpoint, { item: this.#document, region: null });
    if (policy === null) this.#draft.note("left-out", this.#document, `${name}: nothing answers for it`);
    else
      this.#draft.service(name.replace(/\.$/, "").toLowerCase(), {
        ttl: this.#draft.ttl(ttlSeconds, ttlSeconds),
        policy,
      });
    this.#draft.zone(
      `zones/${asName(apex.slice(0, -1))}.zone`,
      zoneHead(this.#draft, apex, [], this.#document),
    );
    return this.#draft.finish("Route 53");
  }

  /** The policy of a rule; null: nothing of it can be translated. */
  #rule(id: string, region: string | null, from: Origin): DraftPolicy | null {
    const rule = valueAt(valueAt(this.#document, "Rules"), id);
    if (rule === null || this.#open.has(id)) {
      this.#draft.note(
        "left-out",
        from,
        rule === null ? `there is no rule ${id}` : `rule ${id} comes to itself`,
      );
      return null;
    }
    this.#open.add(id);
    const policy = this.#policyOf(id, rule, region);
    this.#open.delete(id);
    return policy === null || typeof policy === "string" ? policy : this.#draft.policy(id, policy);
  }

  #policyOf(id: string, rule: Item, region: string | null): DraftPolicy | null {
    const type = textOf(valueAt(rule, "RuleType")) ?? "";
    switch (type) {
      case "failover":
        return inOrder(
          ["Primary", "Secondary"].flatMap((key) => {
            const item = valueAt(rule, key);
            return item === null ? [] : [this.#target({ item, region })];
          }),
        );
      case "geo":
        return this.#geo(rule, region);
      case "latency":
      case "geoproximity":
        return this.#byRegion(type, rule);
      case "weighted":
      case "multivalue":
        return this.#shares(type, id, rule, region);
      default:
        this.#draft.note(
          "left-out",
          rule,
          `rule ${id} of type ${type || "none"}: Meridian has nothing like it`,
        );
        return null;
    }
  }

  #geo(rule: Item, region: string | null): DraftPolicy | null {
    const geo: Record<string, Record<string, DraftPolicy>> = {};
    let byDefault: DraftPolicy | null = null;
    for (const item of itemsOf(valueAt(rule, "Locations"))) {
      const policy = this.#target({ item, region });
      if (policy === null) continue;
      const [continent, country, subdivision] = ["Continent", "Country", "Subdivision"].map((key) =>
        textOf(valueAt(item, key)),
      );
      if (isTrue(valueAt(item, "IsDefault")) || country === "*") byDefault = policy;
      else if (country && subdivision)
        geo["subdivisions"] = { ...geo["subdivisions"], [`${country}-${subdivision}`]: policy };
      else if (country) geo["countries"] = { ...geo["countries"], [country]: policy };
      else if (continent) geo["continents"] = { ...geo["continents"], [continent]: policy };
    }
    if (Object.keys(geo).length === 0) return byDefault;
    return { geo: { ...geo, ...(byDefault === null ? {} : { default: byDefault }) } };
  }

  /** Latency and distance: whatever is below a location stands there. */
  #byRegion(type: "latency" | "geoproximity", rule: Item): DraftPolicy | null {
    const policies = itemsOf(valueAt(rule, type === "latency" ? "Regions" : "GeoproximityLocations")).map(
      (item) => {
        const said = textOf(valueAt(item, "Region"))?.replace(/^aws:route53:/, "") ?? null;
        const [latitude, longitude] = [
          numberOf(valueAt(item, "Latitude")),
          numberOf(valueAt(item, "Longitude")),
        ];
        const at =
          latitude === null || longitude === null ? placeOf(said ?? "") : ([latitude, longitude] as const);
        const region = said ?? `at-${latitude}-${longitude}`;
        if ((numberOf(valueAt(item, "Bias")) ?? 0) !== 0)
          this.#draft.note(
            "left-out",
            item,
            "Bias: a share of the distance there; `biasKm` of `nearest` is kilometres",
          );
        return this.#target({ item, region: this.#draft.region(region, at, item) });
      },
    );
    const all = inOrder(policies);
    return all === null ? null : { [type === "latency" ? "latency" : "nearest"]: { of: all } };
  }

  #shares(
    type: "weighted" | "multivalue",
    id: string,
    rule: Item,
    region: string | null,
  ): DraftPolicy | null {
    const items = itemsOf(valueAt(rule, "Items"));
    const weights = items.map((item) => (type === "weighted" ? (numberOf(valueAt(item, "Weight")) ?? 0) : 1));
    const areAllZero = weights.every((weight) => weight === 0);
    const of: Record<string, { readonly weight: number; readonly use: DraftPolicy }> = {};
    for (const [i, item] of items.entries()) {
      const use = this.#target({ item, region });
      const name = asName(
        textOf(valueAt(item, "EndpointReference")) ?? textOf(valueAt(item, "RuleReference")) ?? String(i + 1),
      );
      if (use !== null)
        of[of[name] === undefined ? name : `${name}-${i + 1}`] = {
          weight: areAllZero ? 1 : (weights[i] ?? 0),
          use,
        };
    }
    const count = Object.keys(of).length;
    if (count === 0) return null;
    if (type === "weighted") return { weighted: { of } };
    return {
      spread: {
        of: this.#draft.policy(`${id}-all`, { weighted: { of } }),
        count: Math.min(count, SPREAD_MAX),
      },
    };
  }

  /** What a place in a rule refers to. */
  #target(reference: Reference): DraftPolicy | null {
    const { item, region } = reference;
    const rule = textOf(valueAt(item, "RuleReference"));
    if (rule !== null) {
      if (valueAt(item, "HealthCheck") !== null)
        this.#draft.note(
          "left-out",
          item,
          `HealthCheck of the rule ${rule}: a policy is up while something below it is`,
        );
      return this.#rule(rule, region, item);
    }
    const endpoint = textOf(valueAt(item, "EndpointReference"));
    return endpoint === null ? null : this.#endpoint(endpoint, reference);
  }

  #endpoint(id: string, { item, region }: Reference): DraftPolicy | null {
    const check = textOf(valueAt(item, "HealthCheck"));
    const key = JSON.stringify([id, check, region]);
    const known = this.#pools.get(key);
    if (known !== undefined) return known;
    const policy = this.#newEndpoint(id, check, region, item);
    this.#pools.set(key, policy);
    return policy;
  }

  #newEndpoint(
    id: string,
    healthCheck: string | null,
    within: string | null,
    from: Item,
  ): DraftPolicy | null {
    const endpoint = valueAt(valueAt(this.#document, "Endpoints"), id);
    const [type, text] = [
      textOf(valueAt(endpoint, "Type")) ?? "value",
      textOf(valueAt(endpoint, "Value")) ?? "",
    ];
    const address = parseAddress(text);
    if (endpoint === null || address === null) {
      const why =
        endpoint === null ? "there is none" : `${type} ${text}: Meridian answers with addresses alone`;
      this.#draft.note("left-out", endpoint ?? from, `endpoint ${id}: ${why}`);
      return null;
    }
    const said = textOf(valueAt(endpoint, "Region")) ?? MAIN_REGION;
    const region = within ?? this.#draft.region(said, placeOf(said), endpoint);
    const check = healthCheck === null ? null : this.#check(healthCheck, from);
    return this.#draft.pool(id, {
      ...(check === null ? {} : { check }),
      members: { [region]: { region, ...(address.family === 4 ? { ipv4: text } : { ipv6: text }) } },
    });
  }

  /** The check of a health check; null: nobody says what it does, or Meridian has nothing like it. */
  #check(id: string, from: Origin): string | null {
    const name = asName(id);
    if (this.#draft.hasCheck(name)) return name;
    const config = valueAt(this.#checks.get(id) ?? null, "HealthCheckConfig");
    const type = textOf(valueAt(config, "Type")) ?? "";
    if (config === null) {
      this.#draft.noteOnce(
        "left-out",
        from,
        `health check ${id}: nothing says what it does, so its endpoint is always up; write a check`,
      );
      return null;
    }
    const seconds = numberOf(valueAt(config, "RequestInterval")) ?? 30;
    const fall = numberOf(valueAt(config, "FailureThreshold")) ?? 3;
    const isSecure = type.startsWith("HTTPS");
    const port = numberOf(valueAt(config, "Port")) ?? (isSecure ? HTTPS_PORT : HTTP_PORT);
    const times = { interval: `${seconds}s`, recheck: `${seconds}s`, fall, rise: fall };
    if (type === "TCP") return this.#draft.check(name, { type: "tcp", port, ...times });
    if (!/^HTTPS?(_STR_MATCH)?$/.test(type)) {
      this.#draft.noteOnce(
        "left-out",
        config,
        `health check ${id} of type ${type}: its endpoint is always up; write a check`,
      );
      return null;
    }
    const [path, host, body] = ["ResourcePath", "FullyQualifiedDomainName", "SearchString"].map((key) =>
      textOf(valueAt(config, key)),
    );
    return this.#draft.check(name, {
      type: isSecure ? "https" : "http",
      port,
      ...(path ? { path } : {}),
      ...(host ? { host } : {}),
      // Route 53 takes what is neither 2xx nor 3xx for a failure, and no certificate for one.
      expect: { codes: ["200-399"], ...(body ? { body } : {}) },
      ...(isSecure ? { insecure: true } : {}),
      ...(isTrue(valueAt(config, "Inverted")) ? { inverted: true } : {}),
      ...times,
    });
  }
}
