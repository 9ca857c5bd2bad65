import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { CookieKeeper, type CookieKeeperOptions } from "../../src/serve/cookie-keeper.ts";

const A = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const B = "445536bcd2513298075a5d379663c962";
const HOUR_MS = 3_600_000;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "cookies-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function keep(options: Pick<CookieKeeperOptions, "path" | "isOwn"> & Partial<CookieKeeperOptions>): {
  readonly keeper: CookieKeeper;
  readonly problems: string[];
} {
  const problems: string[] = [];
  const keeper = new CookieKeeper({ pollMs: 10, onProblem: (message) => problems.push(message), ...options });
  onTestFinished(() => keeper.stop());
  return { keeper, problems };
}

/** The two secrets in force, in hex. */
function inForce({ memory }: CookieKeeper): readonly string[] {
  const words = new Uint32Array(memory);
  const at = 4 * (1 + 8 * words[0]!);
  const octets = Buffer.from(memory);
  return [at, at + 16].map((start) => octets.subarray(start, start + 16).toString("hex"));
}

const secretsIn = (path: string): readonly string[] => readFileSync(path, "utf8").trim().split("\n");

test("a node's own file is made at the first start, for nobody else to read, and kept at the next", () => {
  const path = join(folder(), "cookie-secrets");
  const first = keep({ path, isOwn: true });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const [secret] = secretsIn(path);
  expect(inForce(first.keeper)).toEqual([secret, secret]);
  expect(inForce(keep({ path, isOwn: true }).keeper)).toEqual([secret, secret]);
});

test("after 26 hours a node makes a new secret, and still takes the one before (RFC 7873 §7.1)", async () => {
  const path = join(folder(), "cookie-secrets");
  const { keeper } = keep({ path, isOwn: true });
  const [secret] = secretsIn(path);
  const old = (Date.now() - 26 * HOUR_MS) / 1000;
  utimesSync(path, old, old);
  await vi.waitFor(() => expect(secretsIn(path)).toHaveLength(2));
  const [next, other] = secretsIn(path);
  expect(other).toBe(secret);
  expect(next).not.toBe(secret);
  await vi.waitFor(() => expect(inForce(keeper)).toEqual([next, secret]));
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("an operator's file is read again when it changes, and never written", async () => {
  const path = join(folder(), "shared");
  writeFileSync(path, `${A}\n`);
  const { keeper } = keep({ path, isOwn: false, now: () => Date.now() + 100 * HOUR_MS });
  expect(inForce(keeper)).toEqual([A, A]);
  writeFileSync(path, `${B}\n${A}\n`);
  await vi.waitFor(() => expect(inForce(keeper)).toEqual([B, A]));
  expect(readFileSync(path, "utf8")).toBe(`${B}\n${A}\n`);
});

test("a file that is broken or gone is told, and the secrets stay as they were", async () => {
  const path = join(folder(), "shared");
  writeFileSync(path, `${A}\n`);
  const { keeper, problems } = keep({ path, isOwn: false });
  writeFileSync(path, "oops\n");
  await vi.waitFor(() => expect(problems.join()).toContain(`${path}:1:1: expected a secret`));
  rmSync(path);
  await vi.waitFor(() => expect(problems.at(-1)).toContain("ENOENT"));
  expect(inForce(keeper)).toEqual([A, A]);
});

test.each([false, true])(
  "a file that cannot be used at the start is told, and used once it can be (own: %s)",
  async (isOwn) => {
    const path = join(folder(), "cookie-secrets");
    writeFileSync(path, "oops\n");
    const { keeper, problems } = keep({ path, isOwn });
    expect(problems).toEqual([
      expect.stringContaining(`${path}:1:1: expected a secret: 32 hexadecimal digits`),
    ]);
    // Nobody can guess what counts meanwhile.
    expect(inForce(keeper)).not.toEqual(inForce(keep({ path, isOwn }).keeper));
    expect(inForce(keeper)[0]).not.toBe("0".repeat(32));
    writeFileSync(path, `${A}\n`);
    await vi.waitFor(() => expect(inForce(keeper)).toEqual([A, A]));
  },
);

test("a node's own file that cannot be made at the start is made as soon as that works", async () => {
  const path = join(folder(), "cookie-secrets");
  mkdirSync(`${path}.${process.pid}`);
  const { keeper, problems } = keep({ path, isOwn: true });
  expect(problems).toEqual([expect.stringContaining("EISDIR")]);
  const [secret] = inForce(keeper);
  rmdirSync(`${path}.${process.pid}`);
  await vi.waitFor(() => expect(secretsIn(path)).toEqual([secret]));
});

test("a problem is told once, however often it is met", async () => {
  const path = join(folder(), "shared");
  writeFileSync(path, `${A}\n`);
  const { problems } = keep({ path, isOwn: false });
  rmSync(path);
  await vi.waitFor(() => expect(problems).toHaveLength(1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(problems).toHaveLength(1);
});

test("a new secret that cannot be written is not used", async () => {
  const at = folder();
  const path = join(at, "cookie-secrets");
  const { keeper, problems } = keep({ path, isOwn: true });
  // A folder where the draft of the file would go.
  mkdirSync(`${path}.${process.pid}`);
  const before = inForce(keeper);
  const old = (Date.now() - 26 * HOUR_MS) / 1000;
  utimesSync(path, old, old);
  await vi.waitFor(() => expect(problems.join()).toContain("EISDIR"));
  expect(inForce(keeper)).toEqual(before);
});
