/** `meridian drain` and the like, as an operator runs them. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TestApi } from "../control/api/test-api.ts";
import { CONFIG, Folder, Node } from "../control/test-node.ts";

const CLI = join(import.meta.dirname, "../../src/cli.ts");

function run(api: TestApi, ...args: string[]): Promise<string> {
  const env = { ...process.env, MERIDIAN_TOKEN: api.tokens.admin, MERIDIAN_API: api.url };
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env }, (_, out) => resolve(out));
  });
}

function nodeWith(more: string): Node {
  return new Node(new Folder({ "meridian.yaml": `${CONFIG}${more}` }));
}

test("a drain with a ramp says when its last clients leave", async () => {
  const api = await TestApi.open(nodeWith(""));
  const said = await run(api, "drain", "eu-west", "--ramp", "5m", "--reason", "maintenance");
  expect(said).toMatch(
    /^drain:region:eu-west is in force until it is ended\nits last clients leave at \d{4}-\S+Z\n$/,
  );
});

test("a drain that takes effect in steps says so", async () => {
  const api = await TestApi.open(nodeWith("\nsafety: { maxMoved: 20%, stageEvery: 1m }\n"));
  const said = await run(api, "drain", "eu-west", "--reason", "maintenance");
  expect(said).toMatch(
    /\nit would move too many clients at once, so it takes effect in steps: \S+ % of the way, next step at \S+Z\n$/,
  );
});
