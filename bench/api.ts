/** `npm run bench -- --api`: a node with 10,000 overrides: what it costs to list them, and to make one more. */

import { execFileSync } from "node:child_process";
import { Resolver } from "node:dns/promises";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Override, overrideId } from "../src/control/override.ts";
import { openSqliteStore, STORE_FILE } from "../src/control/sqlite-store.ts";
import { writeSection } from "./document.ts";
import { describeMachine } from "./machine.ts";
import { CLI } from "./meridian.ts";
import { freePort } from "./ports.ts";
import { Server } from "./server.ts";

const POOLS = 100;
const MEMBERS = 100;
const OVERRIDES = POOLS * MEMBERS;
const PAGE = 1_000;
const ROUNDS = 50;
const STATE = "var";

/** What of a list comes at once, and one more override until it is in answers. */
const LIST_MS_MAX = 50;
const PUBLISH_MS_MAX = 200;

interface Finding {
  readonly what: string;
  readonly timesMs: readonly number[];
  readonly atMostMs: number | null;
}

/** Measures, prints, writes into `document` if one is given, and returns what is beyond its limit. */
export async function apiTable(document: string | null): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), "meridian-api-"));
  try {
    const findings = await measure(folder);
    const text = [describeMachine([], new Date()), tableOf(findings)].join("\n\n");
    console.log(text);
    if (document !== null) writeSection(document, "api", text);
    return findings.flatMap(({ what, timesMs, atMostMs }) => {
      const median = quantile(timesMs, 0.5);
      if (atMostMs === null || median <= atMostMs) return [];
      return [`${what}: ${median.toFixed(1)} ms, expected at most ${atMostMs}`];
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string): Promise<readonly Finding[]> {
  const ports = { dns: await freePort(), api: await freePort() };
  writeFileSync(join(folder, "meridian.yaml"), configText(ports.dns, ports.api));
  writeFileSync(
    join(folder, "api.test.zone"),
    "@ 60 SOA ns1 hostmaster 1 3600 900 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n",
  );
  storeOverrides(join(folder, STATE));
  const token = execFileSync(process.execPath, [CLI, "token", "add", "bench", "--config", folder], {
    encoding: "utf8",
  }).trim();
  const server = await Server.start(
    [process.execPath, CLI, "serve", "--config", folder],
    ports.dns,
    nameOf(0),
  );
  try {
    const client = new Client(ports, token);
    await client.untilUp();
    return await figures(client);
  } finally {
    await server.stop();
  }
}

async function figures(client: Client): Promise<readonly Finding[]> {
  const page = await times(() => client.call("GET", `/v1/overrides?limit=${PAGE}`));
  const all = await times(() => client.listAll());
  const made: number[] = [];
  const answered: number[] = [];
  for (let i = 0; i < ROUNDS; i += 1) {
    const beganMs = performance.now();
    const body = { kind: "drain", target: { member: `p${i}/m0` }, reason: "a bench" };
    await client.call("POST", "/v1/overrides", body);
    made.push(performance.now() - beganMs);
    while ((await client.address(nameOf(i))) !== addressOf(i, 1));
    answered.push(performance.now() - beganMs);
    await client.call("DELETE", `/v1/overrides/${encodeURIComponent(`drain:member:p${i}/m0`)}`);
  }
  return [
    { what: `${PAGE} of ${OVERRIDES} overrides listed`, timesMs: page, atMostMs: LIST_MS_MAX },
    { what: `all ${OVERRIDES}, in ${OVERRIDES / PAGE} pages`, timesMs: all, atMostMs: null },
    { what: "one more made, until the API says so", timesMs: made, atMostMs: null },
    { what: "one more made, until it is in answers", timesMs: answered, atMostMs: PUBLISH_MS_MAX },
  ];
}

class Client {
  readonly #api: string;
  readonly #token: string;
  readonly #resolver = new Resolver();

  constructor(ports: { readonly dns: number; readonly api: number }, token: string) {
    this.#api = `http://127.0.0.1:${ports.api}`;
    this.#token = token;
    this.#resolver.setServers([`127.0.0.1:${ports.dns}`]);
  }

  async untilUp(): Promise<void> {
    for (;;) {
      const response = await fetch(`${this.#api}/readyz`).catch(() => null);
      if (response?.status === 200) return;
    }
  }

  /** Throws what the API says against it. */
  async call(method: string, path: string, body?: object): Promise<{ readonly next?: string | null }> {
    const response = await fetch(this.#api + path, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async listAll(): Promise<void> {
    for (let after: string | null = null; ; ) {
      const more = after === null ? "" : `&after=${encodeURIComponent(after)}`;
      const page: { readonly next?: string | null } = await this.call(
        "GET",
        `/v1/overrides?limit=${PAGE}${more}`,
      );
      after = page.next ?? null;
      if (after === null) return;
    }
  }

  async address(name: string): Promise<string> {
    const [address = ""] = await this.#resolver.resolve4(name);
    return address;
  }
}

async function times(work: () => Promise<unknown>): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let i = 0; i < ROUNDS; i += 1) {
    const beganMs = performance.now();
    await work();
    taken.push(performance.now() - beganMs);
  }
  return taken;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function tableOf(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, timesMs, atMostMs }) => {
    const cells = [0.5, 0.99].map((share) => `${quantile(timesMs, share).toFixed(1)} ms`);
    return `| ${what} | ${cells.join(" | ")} | ${atMostMs === null ? "" : `${atMostMs} ms`} |`;
  });
  return ["| what | median | p99 | median at most |", "| --- | ---: | ---: | ---: |", ...rows].join("\n");
}

/** A weight for every member there is. */
function storeOverrides(state: string): void {
  mkdirSync(state, { mode: 0o700 });
  const store = openSqliteStore(join(state, STORE_FILE));
  const set = poolNumbers().flatMap((pool) =>
    memberNumbers().map((member): Override => {
      const action = {
        kind: "weight",
        target: { by: "member", id: `p${pool}/m${member}` },
        weight: 2,
      } as const;
      const by = { author: "bench", reason: "a bench", createdMs: Date.now(), untilMs: null };
      return { id: overrideId(action), action, ...by };
    }),
  );
  store.commit({ version: 1, set, ended: [], audit: [] });
  store.close();
}

function configText(dnsPort: number, apiPort: number): string {
  const pools = poolNumbers().map((pool) => {
    const members = memberNumbers().map(
      (member) => `m${member}: { region: r, ipv4: ${addressOf(pool, member)} }`,
    );
    return `  p${pool}: { members: { ${members.join(", ")} } }`;
  });
  const services = poolNumbers().map(
    (pool) => `  ${nameOf(pool)}: { ttl: 5s, policy: { failover: [p${pool}/m0, p${pool}/m1] } }`,
  );
  return `node:
  listen: ["127.0.0.1:${dnsPort}"]
  workers: 1
  api: { listen: "127.0.0.1:${apiPort}" }
  state: ${STATE}
zones: [api.test.zone]
regions: { r: { at: [53.3, -6.3] } }
pools:
${pools.join("\n")}
services:
${services.join("\n")}
`;
}

function poolNumbers(): readonly number[] {
  return Array.from({ length: POOLS }, (_, pool) => pool);
}

function memberNumbers(): readonly number[] {
  return Array.from({ length: MEMBERS }, (_, member) => member);
}

function nameOf(pool: number): string {
  return `s${pool}.api.test`;
}

function addressOf(pool: number, member: number): string {
  return `10.0.${pool}.${member + 1}`;
}
