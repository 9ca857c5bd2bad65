import { getPriority, release } from "node:os";
import { expect, test } from "vitest";
import { shortenSlice } from "../../src/serve/priority.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { ownScheduling } from "./scheduling.ts";

const calls = systemCalls();
const [major, minor] = release().split(".").map(Number);
const hasSlices = process.platform === "linux" && ((major ?? 0) > 6 || (major === 6 && (minor ?? 0) >= 12));

test.runIf(calls !== null && hasSlices).each([
  ["parent", 500_000n],
  ["worker", 100_000n],
] as const)("a %s has a slice of %i ns, and its policy and nice value as before", (of, sliceNs) => {
  const nice = getPriority();
  shortenSlice(calls!, of);
  expect(ownScheduling()).toEqual({ policy: 0, nice, priority: 0, sliceNs });
});
