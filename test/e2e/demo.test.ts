/** The demo as a newcomer meets it: start it, paste what it prints, stop it. */

import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { TOKEN_NAME } from "../../src/control/author.ts";
import { Resolver } from "./dns.ts";
import { has, membersOf, PATIENCE, type Program, report, until, useLab } from "./harness.ts";
import { EUROPEAN, layOut, REPOSITORY, type Site, VIPS } from "./site.ts";

/** It has said what there is by then. */
const BANNER_MS_MAX = 5_000;

/** Everything has ended by then. */
const END_MS_MAX = 2_000;

const lab = useLab();
let site: Site;
let demo: Program;
let banner: string;
let token: string;

beforeAll(async () => {
  site = await layOut(lab);
  demo = lab.meridian("demo", ["demo", "--config", site.folder]);
  [banner] = await demo.said(/Meridian runs\..*Stop with Ctrl-C\./s);
  token = /MERIDIAN_TOKEN=(\S+)/.exec(banner)?.[1] ?? "";
});

describe("the demo", () => {
  test("says soon what runs, with a token that is kept only hashed", async () => {
    const elapsedMs = performance.now() - demo.startedMs;
    report(`the demo says what runs after ${Math.round(elapsedMs)} ms (at most ${BANNER_MS_MAX})`);
    expect(elapsedMs).toBeLessThan(PATIENCE * BANNER_MS_MAX);
    for (const part of ["us-east", "eu-west", "ap-northeast", "virginia", "dublin", "tokyo", site.api])
      expect(banner).toContain(part);
    expect(token).toMatch(/^[\w-]{40,}$/);
    const texts = await textsIn(join(site.folder, "var"));
    expect(texts).not.toEqual([]);
    for (const text of texts) expect(text).not.toContain(token);
  });

  test.skipIf(!has("dig"))("prints dig lines with three different answers (needs dig)", async () => {
    const lines = printed("dig ");
    const answers = await Promise.all(lines.map((line) => shell(`${line} +short`)));
    expect(answers.map((answer) => answer.trim())).toEqual([VIPS.eu, VIPS.ap, VIPS.us]);
  });

  test("prints a line that explains what dns answers", async () => {
    const [line = ""] = printed("explain");
    const said = await shell(line);
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    const answer = await resolver.ask("www.gslb.example", "A", { subnet: "81.2.69.1/32" });
    expect(answer.data).toEqual([VIPS.eu]);
    expect(said).toMatch(new RegExp(`100 % +${VIPS.eu} +web/eu-west`));
    expect(said).toContain(`ECS scope /${answer.scope}, `);
    expect(said).toContain("it would be web/us-east if web/eu-west were down");
    const supposed = await shell(`${line} --if down:eu-west --if drain:us-east`);
    expect(supposed).toContain("if down:eu-west and drain:us-east:");
    expect(supposed).toMatch(new RegExp(`100 % +${VIPS.ap} +web/ap-northeast`));
  });

  test("prints lines that shift, drain and list", async () => {
    const [weigh = "", drain = "", list = ""] = [" weight ", " drain ", " get overrides"].flatMap(printed);
    const resolver = new Resolver(await lab.socket("127.0.0.1"), site.port);
    expect(await shell(weigh)).toContain("weight:choice:canary/new is in force until it is ended");
    expect(await shell(drain)).toContain("drain:region:eu-west is in force until ");
    expect(JSON.parse(await shell(`${list} --json`))).toMatchObject([
      { kind: "drain", author: "admin", reason: "maintenance", until: expect.any(String) },
      { kind: "weight", author: "admin", reason: "new version looks good", until: null },
    ]);
    await until(
      "answers move",
      async () => (await resolver.look("www.gslb.example", { subnet: EUROPEAN })) === VIPS.us,
    );
  });

  test("makes its tokens under a name that no token can have", async () => {
    const response = await fetch(`${site.api}/v1/audit`, { headers: { authorization: `Bearer ${token}` } });
    const { entries }: { readonly entries: readonly Readonly<Record<string, string>>[] } = JSON.parse(
      await response.text(),
    );
    const authors = entries.filter(({ event }) => event === "token-added").map(({ author }) => author);
    expect(authors).toHaveLength(4);
    for (const author of authors) expect(author).not.toMatch(new RegExp(TOKEN_NAME));
  });

  test("ends with Ctrl-C, and leaves no process behind, not even a region that was started again by hand", async () => {
    await shell(printed("kill -9")[0] ?? "");
    await demo.said(/region eu-west ended \(SIGKILL\)/);
    const region = lab.start("region by hand", "sh", ["-c", inRepository(printed("demo-region")[0] ?? "")]);
    await region.said(/region serves/);
    expect(membersOf(demo.pid).length).toBeGreaterThan(6);

    const startedMs = performance.now();
    const since = (): number => Math.round(performance.now() - startedMs);
    demo.signalGroup("SIGINT");
    await until("the demo's processes have ended", () => membersOf(demo.pid).length === 0);
    const endedMs = since();
    await until("the region started by hand has ended", () => membersOf(region.pid).length === 0);
    report(
      `Ctrl-C: all ended after ${endedMs} ms, a region by hand after ${since()} ms (at most ${END_MS_MAX})`,
    );
    expect(since()).toBeLessThan(PATIENCE * END_MS_MAX);
  });
});

test("a demo that cannot start makes no token that nobody has seen", async () => {
  const elsewhere = await layOut(lab, [], "taken");
  const squatter = createServer().listen(elsewhere.port, "127.0.0.1");
  onTestFinished(() => void squatter.close());
  await once(squatter, "listening");
  const unlucky = lab.meridian("demo", ["demo", "--config", elsewhere.folder]);
  await unlucky.ended;
  expect(unlucky.output).toContain("The node ended");
  const list = lab.meridian("tokens", ["token", "list", "--config", elsewhere.folder]);
  await list.ended;
  expect(list.output).toMatch(/agent-dublin/);
  expect(list.output).not.toMatch(/^admin/m);
});

/** The commands of the banner that contain a text. */
function printed(text: string): readonly string[] {
  const commands = banner.split("\n").filter((line) => line.startsWith("  "));
  return commands.map((line) => line.trim()).filter((line) => line.includes(text));
}

/** Does as somebody who pastes a line into a terminal in the repository. */
async function shell(line: string): Promise<string> {
  const program = lab.start("shell", "sh", ["-c", inRepository(line)], { MERIDIAN_TOKEN: token });
  await program.ended;
  return program.output;
}

function inRepository(line: string): string {
  return `cd '${REPOSITORY}' && ${line}`;
}

/** What all files in a folder hold, looked at again where one was renamed before it was read. */
async function textsIn(folder: string): Promise<readonly string[]> {
  let texts: readonly string[] = [];
  await until("no file is renamed meanwhile", () => {
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    try {
      texts = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return false;
    }
    return true;
  });
  return texts;
}
