/** What befalls the store under load: its disk is full, it is deleted, it is damaged. Answers and failover go on. */

import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { childrenOf, has, RATE, report, until, useLab } from "./harness.ts";
import { buildGenerator, Load } from "./load.ts";
import { call, EUROPEAN, layOut, type Meridian, type Site, startMeridian, VIPS } from "./site.ts";

const QNAME = "www.gslb.example";

/** Gives the node a file system of its own for its state folder, which it alone sees and which is soon full. */
const ON_SMALL_DISK = [
  "unshare",
  "-rm",
  "sh",
  "-c",
  'cp -a "$0" "$0.before" && mount -t tmpfs -o size=256m tmpfs "$0" && cp -a "$0.before/." "$0" && exec "$@"',
];
const canMount = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

describe.skipIf(!has("cc") || !canMount)(
  "a store that fails under load (needs cc, and unshare with user and mount namespaces)",
  () => {
    const lab = useLab();
    let site: Site;
    let meridian: Meridian;
    let generator: string;
    let resolver: Resolver;
    /** The state folder as the node sees it. */
    let state: string;

    beforeAll(async () => {
      site = await layOut(lab);
      const by = [...ON_SMALL_DISK, join(site.folder, "var")];
      [meridian, generator] = await Promise.all([startMeridian(lab, site, { by }), buildGenerator(lab)]);
      resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
      state = `/proc/${meridian.node.pid}/root${join(site.folder, "var")}`;
    });

    const european = (): Promise<string | null> => resolver.look(QNAME, { subnet: EUROPEAN });
    const store = (): string => join(state, "meridian.db");

    test("because its disk is full: nothing is lost, break-glass works, and control comes back by itself", async () => {
      const load = new Load(lab, generator, site, { names: [QNAME], seconds: 7 });
      const writer = new Writer(site, meridian.token);
      await until("changes are made", () => writer.acknowledged.length > 20);
      fill(join(state, "fill"));
      await until("changes are refused", () => writer.refusals.length > 0);
      expect(writer.refusals[0]).toMatch(/^\/v1\/overrides: 503 .*"code":"store-unavailable"/);
      expect(writer.refusals[0]).toMatch(/cannot be written because its disk is full .*make room there/);
      const ready = await fetch(`${site.api}/readyz`);
      expect([ready.status, await ready.json()]).toEqual([
        200,
        { ready: true, reasons: [], warnings: [expect.stringMatching(/its disk is full/)] },
      ]);
      expect(await (await fetch(`${site.api}/metrics`)).text()).toMatch(/^meridian_store_writable 0$/m);
      expect(await call(site, meridian.token, "/v1/verdicts")).toMatchObject({ verdicts: expect.any(Array) });

      expect(await european()).toBe(VIPS.eu);
      const said = await lab.run("local", "drain", "eu-west", "--reason", "break-glass", "--state", state);
      expect(said).toMatch(
        /drain eu-west is in force, as version \d+\nit will be on record as soon as .* disk is full/,
      );
      expect(await european()).toBe(VIPS.us);
      await lab.run("local", "undrain", "eu-west", "--reason", "break-glass", "--state", state);
      expect(await european()).toBe(VIPS.eu);
      await meridian.regions["eu-west"].end("SIGKILL");
      const movedMs = await until("answers move", async () => (await european()) === VIPS.us);

      rmSync(join(state, "fill"));
      const before = writer.acknowledged.length;
      const backMs = await until("changes are made again", () => writer.acknowledged.length > before);
      await writer.end();
      const { sent, lost, wrong } = await load.result();
      report(
        `disk full at ${RATE} queries/s: ${lost} of ${sent} lost; a region killed meanwhile moves after ` +
          `${Math.round(movedMs)} ms; changes are made ${Math.round(backMs)} ms after there is room again`,
      );
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      expect(await missing(writer)).toEqual([]);
      const { entries } = await call<Audit>(site, meridian.token, "/v1/audit?limit=1000");
      expect(entries.filter(({ reason }) => reason === "break-glass").map(({ detail }) => detail)).toEqual([
        "drain region eu-west (made without the store)",
        "drain region eu-west (made without the store)",
      ]);
    });

    test("because it is deleted: it is written again, and nothing that was acknowledged is lost", async () => {
      const load = new Load(lab, generator, site, { names: [QNAME], seconds: 3 });
      const writer = new Writer(site, meridian.token);
      await until("changes are made", () => writer.acknowledged.length > 20);
      for (const part of ["", "-wal", "-shm"]) rmSync(store() + part, { force: true });
      const backMs = await until("it is there again", () => existsSync(store()));
      const before = writer.acknowledged.length;
      await until("changes are made again", () => writer.acknowledged.length > before + 20);
      await writer.end();
      const { sent, lost, wrong } = await load.result();
      report(
        `store deleted: ${lost} of ${sent} lost; there again after ${Math.round(backMs)} ms, ` +
          `${writer.refusals.length} of ${writer.acknowledged.length} changes refused meanwhile`,
      );
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      const [control = 0] = childrenOf(meridian.node.pid);
      process.kill(control, "SIGKILL");
      await until("control is back", async () => (await missing(writer).catch(() => null)) !== null);
      expect(await missing(writer)).toEqual([]);
    });

    test("because it is damaged: it is set aside, and what is in force stays so", async () => {
      const load = new Load(lab, generator, site, { names: [QNAME], seconds: 3 });
      const writer = new Writer(site, meridian.token);
      await until("changes are made", () => writer.acknowledged.length > 20);
      truncateSync(store(), Math.floor(statSync(store()).size / 2));
      await meridian.node.said(/was damaged and is kept as/);
      const before = writer.acknowledged.length;
      await until("changes are made again", () => writer.acknowledged.length > before + 20);
      await writer.end();
      const { sent, lost, wrong } = await load.result();
      report(`store damaged: ${lost} of ${sent} lost`);
      expect({ lost, wrong }).toEqual({ lost: 0, wrong: 0 });
      expect(readdirSync(state).filter((name) => name.startsWith("meridian.db.corrupt-"))).not.toEqual([]);
      const { overrides } = await call<Overrides>(site, meridian.token, "/v1/overrides");
      expect(overrides).toMatchObject([{ id: Writer.id, weight: writer.weight }]);
      expect(await call(site, meridian.token, "/v1/audit/verify")).toMatchObject({ sound: true });
    });

    /** The versions that were acknowledged and that nothing is on record of. */
    async function missing({ acknowledged }: Writer): Promise<readonly number[]> {
      const versions = new Set<number>();
      for (let before: number | null = null; ; ) {
        const more = before === null ? "" : `&before=${before}`;
        const page: Audit = await call(site, meridian.token, `/v1/audit?limit=1000${more}`);
        for (const { version } of page.entries) versions.add(version);
        if (page.next === null) return acknowledged.filter((version) => !versions.has(version));
        before = page.next;
      }
    }
  },
);

interface Audit {
  readonly entries: readonly { readonly version: number; readonly reason: string; readonly detail: string }[];
  readonly next: number | null;
}

interface Overrides {
  readonly overrides: readonly { readonly id: string; readonly weight: number }[];
}

/** Makes one change after the other, and knows which of them the node has acknowledged. */
class Writer {
  static readonly id = "weight:member:web/ap-northeast";
  /** The versions. */
  readonly acknowledged: number[] = [];
  /** What the API said to the others. */
  readonly refusals: string[] = [];
  /** That was acknowledged last. */
  weight = 0;
  #isEnding = false;
  readonly #ended: Promise<void>;

  constructor(site: Site, token: string) {
    this.#ended = this.#write(site, token);
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#ended;
  }

  async #write(site: Site, token: string): Promise<void> {
    for (let weight = 1; !this.#isEnding; weight += 1) {
      const target = { member: "web/ap-northeast" };
      const body = { kind: "weight", target, weight, reason: "a test under load" };
      try {
        const { version } = await call<{ readonly version: number }>(site, token, "/v1/overrides", body);
        this.acknowledged.push(version);
        this.weight = weight;
      } catch (cause) {
        this.refusals.push(cause instanceof Error ? cause.message : String(cause));
      }
      await sleep(20);
    }
  }
}

/** Writes until there is no room. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const part of [1 << 20, 4_096]) fillBy(file, part);
  } finally {
    closeSync(file);
  }
}

function fillBy(file: number, octets: number): void {
  const part = Buffer.alloc(octets);
  try {
    while (writeSync(file, part) > 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  }
}
