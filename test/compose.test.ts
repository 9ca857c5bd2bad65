import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";

const root = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(root, file), "utf8");

test("the containers' config is the demo's but for where things listen", () => {
  const demo = read("meridian.yaml").split("\n").slice(1);
  const containers = read("compose/meridian.yaml").split("\n").slice(1);
  const changed = containers.filter((line, i) => line !== demo[i]);
  expect(containers).toHaveLength(demo.length);
  expect(changed.map((line) => line.trim().split(":")[0])).toEqual([
    "listen",
    "api",
    "state",
    "us-east",
    "eu-west",
    "ap-northeast",
  ]);
});

test("compose.yaml gives each region the address of its VIP, and each vantage an agent", () => {
  const compose = parse(read("compose.yaml"), { merge: true });
  const config = parse(read("compose/meridian.yaml"));
  for (const [region, { ipv4 }] of Object.entries<{ ipv4: string }>(config.pools.web.members)) {
    expect(compose.services[`region-${region}`].networks.demo.ipv4_address).toBe(ipv4);
  }
  for (const vantage of Object.keys(config.vantages)) {
    const { command } = compose.services[`agent-${vantage}`];
    expect(command).toContain(vantage);
    // Without a certificate an agent refuses to give its token to another machine, as which the node's container counts.
    expect(command).toContain("--clear-text");
  }
});

test("the image runs as a user that is not root, and carries no other Node", () => {
  const dockerfile = read("Dockerfile");
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toContain("rm -rf node_modules/node-linux-*");
});
