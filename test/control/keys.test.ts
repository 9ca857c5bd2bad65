import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FileReader } from "../../src/control/files.ts";
import { makeKey, readKeys, removeKey } from "../../src/control/keys.ts";
import { Algorithm } from "../../src/dnssec/algorithm.ts";
import { Duty } from "../../src/dnssec/key-duty.ts";
import { Keyring } from "../../src/serve/keyring.ts";
import { nameOf } from "../dnssec/zone-text.ts";

const apex = nameOf("GSLB.example.");
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meridian-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function read(): ReturnType<typeof readKeys> {
  return readKeys(folder, apex, new FileReader());
}

describe.each([Algorithm.EcdsaP256Sha256, Algorithm.Ed25519])("a key of algorithm %i", (algorithm) => {
  test("is read as it was made, and dns signs with its private half", async () => {
    const made = makeKey(folder, apex, algorithm);
    expect(read()).toEqual({ keys: [made], problems: [] });
    const zone = { apex, validitySeconds: 86_400, keys: [{ ...made!, duties: Duty.Keys }] };
    const { zones, problems } = await new Keyring(folder).load([null, zone]);
    expect(problems).toEqual([]);
    expect(zones).toMatchObject([
      null,
      { validitySeconds: 86_400, keys: [{ algorithm, tag: made!.tag, duties: Duty.Keys }] },
    ]);
  });

  test("has a private half that nobody else can read, in a folder of its own", () => {
    const made = makeKey(folder, apex, algorithm)!;
    const secret = made.file.replace(/\.key$/, ".private.pem");
    expect(statSync(secret).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "keys")).mode & 0o777).toBe(0o700);
    const name = `Kgslb.example.+0${algorithm}+${String(made.tag).padStart(5, "0")}.key`;
    expect(made.file).toBe(join(folder, "keys", name));
    expect(readFileSync(made.file, "utf8")).toMatch(/^gslb\.example\. 3600 IN DNSKEY 257 3 1[35] /);
  });
});

test("a removed key leaves nothing behind, and others stay", () => {
  const [first, second] = [makeKey(folder, apex, 13)!, makeKey(folder, apex, 15)!];
  expect([removeKey(folder, apex, first.tag), removeKey(folder, apex, first.tag)]).toEqual([true, false]);
  expect(read().keys).toEqual([second]);
  expect(readdirSync(join(folder, "keys"))).toHaveLength(2);
});

test("keys of other zones are not taken for this one's", () => {
  makeKey(folder, nameOf("a.gslb.example."), 13);
  makeKey(folder, nameOf("example."), 13);
  expect(read()).toEqual({ keys: [], problems: [] });
});

describe("a public file that is not sound is a problem", () => {
  test.each([
    ["", /no DNSKEY/],
    ["gslb.example. 3600 IN DNSKEY 257 3 8 AwEAAc==", /algorithm 8 is not one of ours/],
    ["gslb.example. 3600 IN DNSKEY 257 3 15 AwEAAc==", /has 4 octets, expected 32/],
    [`gslb.example. 3600 IN DNSKEY 256 3 15 ${"A".repeat(43)}=`, /flags are 256, expected 257/],
    [`gslb.example. 3600 IN DNSKEY 257 2 15 ${"A".repeat(43)}=`, /protocol is 2, expected 3/],
    [`gslb.example. 3600 IN DNSKEY 257 3 15 ${"A".repeat(43)}=`, /expected the file's name/],
  ])("%s", (text, message) => {
    const made = makeKey(folder, apex, 15)!;
    writeFileSync(made.file, text);
    const { keys, problems } = read();
    expect(keys).toEqual([]);
    expect(problems).toEqual([
      { file: made.file, line: 1, column: 0, message: expect.stringMatching(message) },
    ]);
  });
});

describe("dns does not sign a zone", () => {
  async function problemsWith(spoil: (secret: string) => void): Promise<readonly string[]> {
    const made = makeKey(folder, apex, 13)!;
    const other = makeKey(folder, apex, 13)!;
    const secret = made.file.replace(/\.key$/, ".private.pem");
    spoil(secret);
    const { zones, problems } = await new Keyring(folder).load([
      { apex, validitySeconds: 1, keys: [made, other].map((key) => ({ ...key, duties: Duty.All })) },
    ]);
    expect(zones).toEqual([{ validitySeconds: 1, keys: [] }]);
    return problems;
  }

  test("whose key others can read", async () => {
    expect(await problemsWith((secret) => chmodSync(secret, 0o640))).toEqual([
      expect.stringMatching(/others can read it \(mode 640\), expected 600$/),
    ]);
  });

  test("whose key is gone", async () => {
    expect(await problemsWith((secret) => rmSync(secret))).toEqual([
      expect.stringMatching(/^Cannot read key .*: ENOENT$/),
    ]);
  });

  test("whose key is another's, or none; and no message quotes it", async () => {
    const swapped = await problemsWith((secret) => {
      const third = makeKey(folder, nameOf("other.example."), 13)!;
      renameSync(third.file.replace(/\.key$/, ".private.pem"), secret);
    });
    expect(swapped).toEqual([expect.stringMatching(/it is another one$/)]);
    const [garbled] = await problemsWith((secret) => writeFileSync(secret, "SECRET"));
    expect(garbled).toMatch(/^Cannot read key /);
    expect(garbled).not.toContain("SECRET");
  });
});
