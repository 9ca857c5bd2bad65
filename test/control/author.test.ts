/** Names of tokens that `meridian token add` does not give. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Folder } from "./test-node.ts";

const CLI = join(import.meta.dirname, "../../src/cli.ts");

test.each([
  ["meridian", 'name: expected another than "meridian", under which the node itself makes changes\n'],
  ["key acme", 'name: expected at most 63 letters, digits, dots, hyphens and underscores, got "key acme"\n'],
])("a token is not named %s", (name, message) => {
  const folder = new Folder();
  const args = [CLI, "token", "add", name, "--role", "reader", "--config", folder.path];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect([status, stdout, stderr]).toEqual([1, "", message]);
});
