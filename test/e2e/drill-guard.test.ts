/** What a drill does when clients suffer: agents see it, the drill ends within a second, and all is put back. */

import { beforeAll, describe, expect, test } from "vitest";
import { Resolver } from "./dns.ts";
import { PATIENCE, report, until, useLab } from "./harness.ts";
import { call, EUROPEAN, layOut, type Meridian, type Site, startMeridian, VIPS } from "./site.ts";

const QNAME = "www.gslb.example";

/** From the first connection that comes to nothing until the drill has ended, and until clients are answered as before. */
const ABORT_MS_MAX = 1_000;

/** Of 15 connections a second, over five seconds, so many may fail at most. */
const ERRORS_AT_MOST = "2%";

interface Drill {
  readonly id: string;
  readonly url: string;
  readonly ending: { readonly kind: string; readonly text: string } | null;
  readonly moments: readonly { readonly at: string; readonly kind: string }[];
}

describe("a drill in which clients cannot connect", () => {
  const lab = useLab();
  let site: Site;
  let meridian: Meridian;
  let resolver: Resolver;

  beforeAll(async () => {
    site = await layOut(lab, [["ttl: 5s", "ttl: 1s"]]);
    meridian = await startMeridian(lab, site, {
      agentArgs: ["--resolver", `127.0.0.1:${site.port}`],
    });
    resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
  });

  test("ends within a second, by its guard, and everything is put back", async () => {
    const { token } = meridian;
    const drill = {
      mode: "drain",
      target: { region: "eu-west" },
      duration: "60s",
      services: QNAME,
      guards: { errorsAtMost: ERRORS_AT_MOST, quietElsewhere: false },
    };
    const begun = await call<Drill>(site, token, "/v1/drills", { drill, reason: "a test" });
    const look = (): Promise<Drill> => call<Drill>(site, token, begun.url);
    const europeanVip = (): Promise<string | null> => resolver.look(QNAME, { subnet: EUROPEAN });
    await until("answers move", async () => (await europeanVip()) === VIPS.us);
    const killedMs = Date.now();
    await meridian.regions["us-east"].end("SIGKILL");
    await until("the drill ends", async () => (await look()).ending !== null);
    // Control has ended it by then; the answer follows when dns has heard of it.
    await until("answers are as before", async () => (await europeanVip()) === VIPS.eu);
    const backMs = Date.now() - killedMs;
    const { ending, moments } = await look();
    const endedMs = Date.parse(moments.find(({ kind }) => kind === "ended")?.at ?? "") - killedMs;
    report(
      `clients cannot connect: the drill ended ${endedMs} ms later, answers were back after ${backMs} ms (at most ${ABORT_MS_MAX}): ${ending?.text}`,
    );
    expect(ending?.text).toMatch(
      /^guard errorsAtMost: \d+ of \d+ connections of the agents came to nothing in 5 s/,
    );
    expect(endedMs).toBeLessThan(PATIENCE * ABORT_MS_MAX);
    expect(backMs).toBeLessThan(PATIENCE * ABORT_MS_MAX);
    const { overrides } = await call<{ readonly overrides: readonly unknown[] }>(
      site,
      token,
      "/v1/overrides",
    );
    expect(overrides).toEqual([]);
  });
});
