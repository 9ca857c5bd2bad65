import { createRequire } from "node:module";
import { getPriority, release } from "node:os";
import { expect, test } from "vitest";
import { shortenSlice } from "../../src/serve/priority.ts";
import { systemCalls } from "../../src/serve/system.ts";

const calls = systemCalls();
const [major, minor] = release().split(".").map(Number);
const hasSlices = process.platform === "linux" && ((major ?? 0) > 6 || (major === 6 && (minor ?? 0) >= 12));

test.runIf(calls !== null && hasSlices).each([
  ["parent", 500_000n],
  ["worker", 100_000n],
] as const)("a %s has a slice of %i ns, and its policy and nice value as before", (of, slice) => {
  const nice = getPriority();
  shortenSlice(calls!, of);
  const attributes = ownAttributes();
  expect(attributes.getUint32(4, true)).toBe(0);
  expect(attributes.getInt32(16, true)).toBe(nice);
  expect(attributes.getBigUint64(24, true)).toBe(slice);
});

/** What the kernel says of the calling thread: sched_getattr(2). */
function ownAttributes(): DataView {
  const koffi: typeof import("koffi") = createRequire(import.meta.url)("koffi");
  const number = process.arch === "x64" ? 315 : 275;
  const attributes = new Uint8Array(56);
  const get = koffi
    .load(null)
    .func("long syscall(long number, int thread, void *attributes, uint size, uint flags)");
  expect(get(number, 0, attributes, attributes.length, 0)).toBe(0);
  return new DataView(attributes.buffer);
}
