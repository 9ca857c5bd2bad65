/** `meridian apply`, `rollback` and `snapshots`, as an operator runs them. */

import { type ExecFileException, execFile, execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { TestApi } from "./api/test-api.ts";
import { CONFIG, Folder, GB, Node, ZONE } from "./test-node.ts";

const CLI = join(import.meta.dirname, "../../src/cli.ts");

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function run(api: TestApi, ...args: string[]): Promise<Ran> {
  const env = { ...process.env, MERIDIAN_TOKEN: api.tokens.admin, MERIDIAN_API: api.url };
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env }, (error: ExecFileException | null, out, err) =>
      resolve({ status: Number(error?.code ?? 0), out, err }),
    ).stdin?.end();
  });
}

const taking = (): Promise<TestApi> =>
  TestApi.open(
    new Node(new Folder({ "meridian.yaml": CONFIG.replace("state: state", "state: state, source: api") })),
  );

/** A folder of somebody who declares, with zones in a folder of their own. */
function declaring(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "meridian-declared-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const config = CONFIG.replace("[test.example.zone]", "[zones/test.example.zone]").replace(
    "EU: eu-first",
    "EU: us-first",
  );
  const all = {
    "meridian.yaml": config,
    "zones/test.example.zone": `${ZONE}$INCLUDE more.inc\n`,
    "zones/more.inc": "more STEER mix\n",
    "labels.csv": "",
    "notes.txt": "not for the node",
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

const answer = (api: TestApi): readonly string[] => api.node.dns.addresses("www.test.example", GB);

describe("meridian apply", () => {
  test("shows what would change, with status 2, then does it, then finds nothing to do", async () => {
    const api = await taking();
    const folder = declaring();
    const looked = await run(api, "apply", "-f", folder, "--plan-only");
    expect([looked.status, looked.err]).toEqual([2, ""]);
    expect(looked.out).toMatch(
      /^~ service www.test.example\n {4}policy.geo.continents.EU: eu-first -> us-first\n/m,
    );
    expect(looked.out).toMatch(/^\+ RRset more.test.example. STEER\n/m);
    expect(looked.out).toMatch(/^moved: .* of queries/m);
    expect(answer(api)).toEqual(["10.0.0.2"]);

    const unasked = await run(api, "apply", "-f", folder, "--reason", "a move");
    expect([unasked.status, unasked.err]).toEqual([
      1,
      "Nothing was changed: without a terminal to ask, it takes --yes\n",
    ]);
    expect(answer(api)).toEqual(["10.0.0.2"]);

    const done = await run(api, "apply", "-f", folder, "--reason", "a move", "--yes");
    expect([done.status, done.out.trimEnd().split("\n").at(-1)]).toEqual([0, "version 2 is in force"]);
    expect(answer(api)).toEqual(["10.0.0.1"]);
    expect(api.node.dns.addresses("more.test.example", GB)).toEqual(["10.0.0.1", "10.0.0.2"]);
    const [snapshot] = (await api.get("/v1/snapshots")).body.snapshots;
    expect(snapshot.reason).toBe("a move");
    expect(snapshot.files.map(({ path }: { path: string }) => path)).toEqual([
      "meridian.yaml",
      "zones/test.example.zone",
      "zones/more.inc",
      "labels.csv",
    ]);

    const again = await run(api, "apply", "-f", folder, "--plan-only");
    expect([again.status, again.out]).toEqual([0, "nothing is different\n"]);
  });

  test("gives the commit as its reason, and says when there is more than that", async () => {
    const api = await taking();
    const folder = declaring();
    expect((await run(api, "apply", "-f", folder, "--yes")).err).toMatch(/^Say why with --reason/);
    const git = (...args: string[]): string =>
      execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.com", ...args], {
        encoding: "utf8",
      });
    git("init", "-q");
    git("add", "-A");
    git("commit", "-q", "-m", "Take Europe to us-east");
    const reasonOfLast = async (): Promise<string> =>
      (await api.get("/v1/snapshots")).body.snapshots[0].reason;
    const { out } = await run(api, "apply", "-f", folder, "--yes", "--json");
    expect(JSON.parse(out)).toMatchObject({ version: 1, applied: 2 });
    expect(await reasonOfLast()).toMatch(/^commit [0-9a-f]{7,}: Take Europe to us-east$/);
    writeFileSync(join(folder, "zones/more.inc"), "");
    expect((await run(api, "apply", "-f", folder, "--yes")).status).toBe(0);
    expect(await reasonOfLast()).toMatch(/: Take Europe to us-east, and what is not committed$/);
  });

  test("says what is wrong with a folder by its own paths, and with what a node refuses by the node's", async () => {
    const api = await taking();
    const folder = declaring({ "zones/more.inc": "bad RR\n" });
    const { status, err } = await run(api, "apply", "-f", folder, "--plan-only");
    expect([status, err]).toEqual([1, expect.stringContaining(`${folder}/zones/more.inc:1:`)]);
    const outside = declaring();
    writeFileSync(join(outside, "meridian.yaml"), CONFIG.replace("test.example.zone", "/etc/hostname"));
    expect((await run(api, "apply", "-f", outside, "--plan-only")).err).toMatch(/\/etc\/hostname is not in /);
    const unsteered = declaring({ "zones/more.inc": "more STEER nobody\n" });
    expect((await run(api, "apply", "-f", unsteered, "--plan-only")).err).toContain(
      `${api.node.folder.path}/zones/more.inc:1:`,
    );
  });

  test("is not for a node that has its files on disk, but shows how they drift", async () => {
    const api = await TestApi.open();
    const folder = declaring();
    expect((await run(api, "apply", "-f", folder, "--plan-only")).status).toBe(2);
    const { status, err } = await run(api, "apply", "-f", folder, "--reason", "a move", "--yes");
    expect([status, err]).toEqual([1, expect.stringContaining("node.source: files")]);
  });

  const script = spawnSync("script", ["--version"]).status === 0;
  test.skipIf(!script)("asks on a terminal, and takes yes alone for yes", async () => {
    const api = await taking();
    const folder = declaring();
    const typing = (answer: string): Promise<string> =>
      new Promise((resolve) => {
        const env = { ...process.env, MERIDIAN_TOKEN: api.tokens.admin, MERIDIAN_API: api.url };
        const command = `${process.execPath} ${CLI} apply -f ${folder} --reason typed`;
        const child = execFile("script", ["-qec", command, "/dev/null"], { env }, (_, out) => resolve(out));
        child.stdout?.on("data", (text: string) => {
          if (text.includes("Only yes does")) child.stdin?.write(`${answer}\n`);
        });
      });
    expect(await typing("y")).toMatch(/Nothing was changed/);
    expect(await typing("yes")).toMatch(/version 2 is in force/);
  });
});

describe("meridian rollback and snapshots", () => {
  test("list, compare, go back and end that", async () => {
    const api = await TestApi.open();
    api.node.folder.write("meridian.yaml", CONFIG.replace("EU: eu-first", "EU: us-first"));
    await api.post("/v1/reload?reason=a%20mistake");
    const { out } = await run(api, "snapshots", "list");
    expect(out.split("\n").map((line) => line.trimEnd().replace(/ +/g, " "))).toEqual([
      "version at by why in force",
      "2 2026-01-01T00:00:00.000Z anna a mistake yes",
      "1 2026-01-01T00:00:00.000Z meridian control started no",
      "",
    ]);
    expect((await run(api, "snapshots", "diff", "1", "2")).out).toMatch(/^~ service www.test.example\n/);
    expect((await run(api, "snapshots", "diff", "1", "2", "--text")).out).toMatch(/^--- a\/meridian.yaml\n/);
    const back = await run(api, "rollback", "1", "--reason", "as it was", "--yes");
    expect([back.status, back.out]).toEqual([
      0,
      expect.stringMatching(/us-first -> eu-first\n[\s\S]*version 3 is in force\n$/),
    ]);
    expect(answer(api)).toEqual(["10.0.0.2"]);
    const ended = await run(api, "rollback", "--reason", "mended");
    expect([ended.status, ended.out]).toEqual([0, "the files on disk are in force\n"]);
    expect(answer(api)).toEqual(["10.0.0.1"]);
    expect((await run(api, "rollback", "--reason", "twice")).err).toMatch(/no rollback is in force/);
  });
});
