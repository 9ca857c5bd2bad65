/** The demo's regions: they answer, they fall ill for a reason, and they can be killed and started again. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseConfig } from "../../src/config/parse.ts";
import {
  catalogueFileOf,
  endpointsOf,
  pidFileOf,
  type RegionOptions,
  type RunningRegion,
  runRegion,
} from "../../src/demo/regions.ts";
import { COUNTRIES } from "../../src/geo/countries.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { closedPort } from "../probe/servers.ts";

const loopback = parseAddress("127.0.0.1")!;

async function optionsOf(region: string): Promise<RegionOptions> {
  const stateFolder = mkdtempSync(join(tmpdir(), "meridian-"));
  onTestFinished(() => rmSync(stateFolder, { recursive: true }));
  const listen = [{ address: loopback, port: await closedPort() }];
  return { region, listen, stateFolder, log: pino({ enabled: false }) };
}

async function start(options: RegionOptions): Promise<RunningRegion> {
  const region = await runRegion(options);
  onTestFinished(() => region.stop());
  return region;
}

describe("a region", () => {
  test("greets, and is healthy with its load", async () => {
    const region = await start(await optionsOf("eu-west"));
    const [url] = region.urls;
    expect(await (await fetch(`${url}/`)).text()).toBe("Hello from eu-west\n");
    const health = await fetch(`${url}/healthz`);
    expect(health.status).toBe(200);
    expect(await health.json()).toEqual({ status: "ok", region: "eu-west", load: expect.any(Number) });
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });

  test.each([
    ["lost", (file: string) => rmSync(file), /cannot read/],
    ["torn", (file: string) => writeFileSync(file, readFileSync(file, "utf8").slice(0, 80)), /cannot read/],
    [
      "changed",
      (file: string) => writeFileSync(file, readFileSync(file, "utf8").replace("Hello", "Howdy")),
      /does not match its checksum/,
    ],
  ])("is unhealthy, and says why, when its catalogue is %s", async (_, spoil, reason) => {
    const options = await optionsOf("eu-west");
    const region = await start(options);
    spoil(catalogueFileOf(options.stateFolder, "eu-west"));
    const health = await fetch(`${region.urls[0]}/healthz`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: "down", reason: expect.stringMatching(reason) });
    expect((await fetch(`${region.urls[0]}/`)).status).toBe(500);
  });

  test("is unhealthy after its event loop was held up, and well again after", async () => {
    const region = await start(await optionsOf("eu-west"));
    const [url] = region.urls;
    await sleep(100);
    const untilMs = performance.now() + 400;
    while (performance.now() < untilMs);
    expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({
      status: "down",
      reason: expect.stringMatching(/the event loop was \d+ ms late/),
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test("that already runs cannot be started again, and goes on", async () => {
    const options = await optionsOf("eu-west");
    const region = await start(options);
    await expect(runRegion(options)).rejects.toThrow(`Cannot serve region eu-west on ${region.urls[0]}`);
    expect((await fetch(`${region.urls[0]}/healthz`)).status).toBe(200);
    expect(existsSync(pidFileOf(options.stateFolder, "eu-west"))).toBe(true);
  });

  test("leaves no pid file when it is stopped, and starts again in the same place", async () => {
    const options = await optionsOf("eu-west");
    const region = await runRegion(options);
    await region.stop();
    expect(existsSync(pidFileOf(options.stateFolder, "eu-west"))).toBe(false);
    await expect(fetch(`${region.urls[0]}/`)).rejects.toThrow();
    const again = await start(options);
    expect((await fetch(`${again.urls[0]}/healthz`)).status).toBe(200);
  });

  test("in a process of its own can be killed by its pid file, and started again", async () => {
    const options = await optionsOf("eu-west");
    const { region, listen, stateFolder } = options;
    const script = `
      import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
      import { runRegion } from "${new URL("../../src/demo/regions.ts", import.meta.url).href}";
      await runRegion({ ...${JSON.stringify({ region, listen, stateFolder })}, log: pino({ enabled: false }) });
      console.log("serving");`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    process.kill(Number(readFileSync(pidFileOf(stateFolder, region), "utf8")), "SIGKILL");
    await once(child, "exit");
    const again = await start(options);
    expect((await fetch(`${again.urls[0]}/healthz`)).status).toBe(200);
    expect(readFileSync(pidFileOf(stateFolder, region), "utf8")).toBe(`${process.pid}\n`);
  });
});

describe("where a region listens", () => {
  const root = join(import.meta.dirname, "../..");
  const text = readFileSync(join(root, "meridian.yaml"), "utf8");
  const defaults = { nodeName: "dns1", cores: 1, countries: new Set(COUNTRIES.keys()) };
  const config = parseConfig("meridian.yaml", text, root, defaults).value!;

  test.each([
    ["eu-west", ["127.0.2.1 8080"]],
    ["ap-northeast", ["127.0.3.1 8080"]],
    ["atlantis", []],
  ])("in the demo's config: %s on %j", (region, expected) => {
    const endpoints = endpointsOf(config, region);
    expect(endpoints.map(({ address, port }) => `${address.text} ${port}`)).toEqual(expected);
  });
});
