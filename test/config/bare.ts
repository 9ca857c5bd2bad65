/** A config that declares nothing, for tests to fill in what they look at. */

import type { Config } from "../../src/config/config.ts";
import type { Endpoint } from "../../src/config/node.ts";
import { parseAddress } from "../../src/wire/address.ts";

const endpoint: Endpoint = { address: parseAddress("127.0.0.1")!, port: 5300 };

export const BARE_CONFIG: Config = {
  file: "meridian.yaml",
  keys: new Map(),
  acme: { keepMs: 3_600_000, grants: [] },
  transfer: new Map(),
  safety: {
    minRegionsUp: null,
    maxMoved: null,
    noDrillDuringIncident: null,
    windows: null,
    approval: null,
  },
  alarms: { destinations: new Map(), routes: [], overrideEndsWithinMs: 0, certificateEndsWithinMs: 0 },
  node: {
    name: "test",
    listen: [endpoint],
    workers: 1,
    udp: "auto",
    xdp: [],
    tcp: { maxConnections: 1, maxConnectionsPerClient: 1, maxWastedPerClient: 1, idleTimeoutMs: 1_000 },
    tls: null,
    https: null,
    proxyProtocol: [],
    api: endpoint,
    apiTls: null,
    nsid: null,
    chaos: { id: null, version: null, bookFor: [] },
    explain: [],
    rateLimit: null,
    maxAmplification: null,
    profile: null,
    history: { keepMs: 90 * 24 * 3_600_000, entriesMax: 1_000_000 },
    audit: { keepMs: 5 * 366 * 24 * 3_600_000 },
    cookies: { mode: "optional", secrets: null },
    stateFolder: "state",
    source: "files",
    reportMs: 500,
    publishMs: 100,
  },
  geo: { database: null, asnDatabase: null, labels: [] },
  zones: [],
  dnssec: new Map(),
  regions: new Map(),
  vantages: new Map(),
  checks: new Map(),
  pools: new Map(),
  members: new Map(),
  policies: new Map(),
  services: [],
  tests: [],
  invariants: [],
  drills: new Map(),
};
