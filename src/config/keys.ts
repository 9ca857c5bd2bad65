/** Every key of `meridian.yaml`: the shape of the file on one page. `docs/configuration.md` says what each means. */

/**
 * The known keys of each map, by the map's path: `*` is a name of the operator's choice, and `policy` stands for each
 * place where a policy may stand. A test holds these tables, the parser and the reference together.
 */
export const keys = {
  file: ["node", "geo", "zones", "dnssec", "regions", "vantages", "checks", "pools", "policies", "services"],

  node: [
    "name",
    "listen",
    "workers",
    "udp",
    "tcp",
    "tls",
    "https",
    "nsid",
    "proxyProtocol",
    "chaos",
    "cookies",
    "rateLimit",
    "maxAmplification",
    "api",
    "state",
    "reportWithin",
    "publishWithin",
  ],
  "node.tcp": ["maxConnections", "maxConnectionsPerClient", "idleTimeout"],
  "node.chaos": ["id", "version", "bookFor"],
  "node.cookies": ["mode", "secrets"],
  "node.tls": ["listen", "certificate", "key"],
  "node.rateLimit": [
    "answers",
    "denials",
    "referrals",
    "errors",
    "window",
    "slip",
    "ipv4Prefix",
    "ipv6Prefix",
    "exempt",
    "dryRun",
  ],
  "node.https": ["listen", "path", "certificate", "key"],
  "node.api": ["listen", "tls"],
  "node.api.tls": ["certificate", "key"],

  geo: ["database", "labels"],
  "dnssec.*": ["algorithm", "validity"],
  "regions.*": ["at"],
  "vantages.*": ["at"],

  "checks.*": [
    "type",
    "port",
    "path",
    "host",
    "method",
    "headers",
    "expect",
    "insecure",
    "interval",
    "timeout",
    "rise",
    "fall",
    "recheck",
    "jitter",
    "quorum",
    "minVantages",
    "slowStart",
  ],
  "checks.*.expect": ["codes", "body"],
  "checks.*.quorum": ["percent"],

  "pools.*": ["check", "members"],
  "pools.*.members.*": ["region", "ipv4", "ipv6", "weight", "probe", "port"],

  policy: ["geo", "nearest", "latency", "weighted", "failover"],
  "policy.geo": ["prefixes", "labels", "asns", "subdivisions", "countries", "continents", "default", "minUp"],
  "policy.nearest": ["of", "biasKm", "minUp"],
  "policy.latency": ["of", "minUp"],
  "policy.weighted.*": ["weight", "use"],
  "policy.failover": ["order", "minUp"],

  "services.*": ["ttl", "failoverWithin", "policy", "whenDown", "https"],
  "services.*.whenDown": ["fallback"],
  "services.*.https": ["alpn", "port"],
} as const;
