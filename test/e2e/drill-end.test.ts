/** A drill ends on time, whoever has died meanwhile: control, or the whole node. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { childrenOf, PATIENCE, type Program, report, until, useLab } from "./harness.ts";
import { addToken, call, EUROPEAN, layOut, type Site, startNode, VIPS } from "./site.ts";

const QNAME = "www.gslb.example";

/** Answers are as before so soon after the end. */
const LATE_MS_MAX = 250;

interface Drill {
  readonly id: string;
  readonly url: string;
  readonly phase: string;
  readonly until: string;
  readonly ending: { readonly kind: string } | null;
}

describe("a drill", () => {
  const lab = useLab();
  let site: Site;
  let token: string;
  let node: Program;
  let resolver: Resolver;

  beforeAll(async () => {
    site = await layOut(lab, [["ttl: 5s", "ttl: 1s"]]);
    token = await addToken(lab, site, "olga", "operator");
    resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    node = await startNode(lab, site);
  });

  beforeEach(async () => {
    await until("no drill is under way", async () => {
      const { drills } = await call<{ readonly drills: readonly Drill[] }>(site, token, "/v1/drills").catch(
        () => ({ drills: [] }),
      );
      return drills.every(({ phase }) => phase === "over");
    });
    await until("answers are as before", async () => (await europeanVip()) === VIPS.eu);
  });

  async function europeanVip(): Promise<string | null> {
    return resolver.look(QNAME, { subnet: EUROPEAN });
  }

  /** Drains eu-west for some seconds; returns once that is in answers, with the time of the end. */
  async function drain(seconds: number): Promise<{ readonly untilMs: number; readonly drill: Drill }> {
    const wanted = { mode: "drain", target: { region: "eu-west" }, duration: `${seconds}s`, services: QNAME };
    const begun = await call<Drill>(site, token, "/v1/drills", { drill: wanted, reason: "a test" });
    await until("answers move", async () => (await europeanVip()) === VIPS.us);
    const drill = await call<Drill>(site, token, begun.url);
    return { untilMs: Date.parse(drill.until), drill };
  }

  /** How long after a moment clients in Europe are sent to eu-west again. */
  async function backAfter(untilMs: number): Promise<number> {
    await until("answers are as before", async () => (await europeanVip()) === VIPS.eu);
    return Date.now() - untilMs;
  }

  function control(): number {
    const [pid = 0, ...others] = childrenOf(node.pid);
    expect(others).toEqual([]);
    return pid;
  }

  async function endingOf({ url }: Drill): Promise<string | undefined> {
    const drill = await call<Drill>(site, token, url).catch(() => null);
    return drill?.ending?.kind;
  }

  test("is rehearsed, begun, shown, ended and compared by `meridian drill`", async () => {
    const tokenFile = join(lab.folder, "olga.token");
    writeFileSync(tokenFile, token);
    const drill = (...args: readonly string[]): Promise<string> =>
      lab.run("drill", ...args, "--api", site.api, "--token-file", tokenFile);
    const described = [
      "--mode",
      "drain",
      "--target",
      "region:eu-west",
      "--duration",
      "30s",
      "--service",
      QNAME,
    ];
    expect(await drill("rehearse", ...described)).toMatch(
      /www\.gslb\.example +ipv4 +eu-west +[\d.]+ % +0 %\n/,
    );
    const id = /^(\S+): drain region eu-west/.exec(
      await drill("run", ...described, "--no-wait", "--reason", "a test"),
    )?.[1];
    expect(await drill("list")).toContain(`${id}  drain region eu-west  olga`);
    expect(await drill("abort", id ?? "", "--reason", "enough")).toContain("all is being put back");
    expect(await drill("show", id ?? "")).toContain("ended: by olga: enough");
    expect(await drill("compare", id ?? "", id ?? "")).toMatch(/verdict +aborted +aborted\n/);
  });

  test("whose control is killed just before its end ends on time", async () => {
    const { untilMs, drill } = await drain(2);
    await sleep(untilMs - 100 - Date.now());
    expect(await europeanVip()).toBe(VIPS.us);
    process.kill(control(), "SIGKILL");
    const lateMs = await backAfter(untilMs);
    report(
      `control killed 100 ms before the end of a drill: answers are as before ${lateMs} ms after it (at most ${LATE_MS_MAX})`,
    );
    expect(lateMs).toBeGreaterThanOrEqual(-5);
    expect(lateMs).toBeLessThan(PATIENCE * LATE_MS_MAX);
    await until("control knows of it", async () => (await endingOf(drill)) === "control-died");
  });

  test("whose control is killed long before its end is put back by the next one", async () => {
    const { untilMs, drill } = await drain(60);
    process.kill(control(), "SIGKILL");
    await until("control knows of it", async () => (await endingOf(drill)) === "control-died");
    await backAfter(untilMs);
    expect(Date.now()).toBeLessThan(untilMs);
  });

  test("whose node is killed does not outlive its end: a node that is started later answers as before at once", async () => {
    const { untilMs } = await drain(6);
    // So the book on disk, which is up to five seconds behind, has it.
    await sleep(untilMs - 300 - Date.now());
    node.signalGroup("SIGKILL");
    await node.ended;
    await sleep(untilMs - Date.now());
    node = lab.meridian("node", ["serve", "--config", site.folder]);
    const answers = new Set<string>();
    await until("the API listens", async () => {
      const vip = await europeanVip();
      if (vip !== null) answers.add(vip);
      return node.output.includes("API listens");
    });
    report(`node killed in a drill and started after its end: answers are ${[...answers].join(" and ")}`);
    expect([...answers]).toEqual([VIPS.eu]);
  });
});
