/** Certificates as clients get them: UPDATE with TSIG by nsupdate, over UDP and TCP, and what dig sees of it. */

import { appendFileSync, chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { childrenOf, has, PATIENCE, type Program, until, useLab } from "./harness.ts";
import { addToken, call, layOut, type Site, startNode } from "./site.ts";

const lab = useLab();
const NEEDS = has("nsupdate") && has("dig") ? "" : " (skipped: needs nsupdate and dig)";
const ZONE = "gslb.example";
const NAME = `_acme-challenge.www.${ZONE}`;

let site: Site;
let node: Program;
let token: string;
let secret: string;

describe.skipIf(NEEDS !== "")(`ACME challenges${NEEDS}`, () => {
  beforeAll(async () => {
    site = await layOut(lab);
    const printed = await lab.run("tsig", "add", "acme-web", "--config", site.folder);
    appendFileSync(
      join(site.folder, "meridian.yaml"),
      `\n${printed}
acme:
  keepFor: 30m
  keys:
    acme-web: { names: [www.${ZONE}], below: [apps.${ZONE}], from: [127.0.0.1/32] }
`,
    );
    secret = (await output("cat", [join(site.folder, "keys/acme-web.secret")])).trim();
    token = await addToken(lab, site, "operator", "admin");
    node = await startNode(lab, site);
  });

  test.each([["UDP"], ["TCP"]])(
    "nsupdate sets and removes them over %s, and they are answered at once",
    async (transport) => {
      const tcp = transport === "TCP" ? ["-v"] : [];
      // As lego and dnspython write it on the wire: delete the RRset, add to it; later delete the one RR.
      expect(await nsupdate([`update delete ${NAME}. TXT`, `update add ${NAME}. 120 TXT "one"`], tcp)).toBe(
        "",
      );
      expect(await nsupdate([`update add ${NAME}. 120 TXT "two"`], tcp)).toBe("");
      expect(await txt(NAME)).toEqual(["one", "two"]);
      expect(await nsupdate([`update delete ${NAME}. TXT "one"`], tcp)).toBe("");
      expect(await txt(NAME)).toEqual(["two"]);
      expect(await nsupdate([`update delete ${NAME}.`], tcp)).toBe("");
      expect(await dig(NAME, "TXT")).toContain("status: NXDOMAIN");
    },
  );

  test("a name above a challenge exists while it is there (RFC 4592 §2.2.2, RFC 8020 §2)", async () => {
    await nsupdate([`update add _acme-challenge.new.deep.apps.${ZONE}. 1 TXT "x"`]);
    expect(await txt(`_ACME-challenge.New.deep.apps.${ZONE}`)).toEqual(["x"]);
    await nsupdate([`update delete _acme-challenge.new.deep.apps.${ZONE}.`]);
  });

  test("the zone's apex is found by an SOA query, signed or not, as clients do first", async () => {
    expect(await dig(ZONE, "SOA", "+norec")).toMatch(
      /status: NOERROR[\s\S]*gslb\.example\.\s+\d+\s+IN\s+SOA/,
    );
    const signed = await dig(ZONE, "SOA", "+norec", "-y", `hmac-sha256:acme-web:${secret}`);
    expect(signed).toMatch(/TSIG PSEUDOSECTION[\s\S]*NOERROR/);
    expect(signed).not.toMatch(/Couldn't verify|BADSIG|BADKEY/);
    expect(await dig("www.gslb.example", "SOA")).toMatch(
      /AUTHORITY: 1[\s\S]*gslb\.example\.\s+\d+\s+IN\s+SOA/,
    );
  });

  test.each<[string, readonly string[], string]>([
    ["another name", [`update add _acme-challenge.shop.${ZONE}. 60 TXT "x"`], "REFUSED"],
    ["a name that is no challenge", [`update add www.${ZONE}. 60 TXT "x"`], "REFUSED"],
    ["another type", [`update add ${NAME}. 60 A 192.0.2.1`], "REFUSED"],
    ["two strings", [`update add ${NAME}. 60 TXT "a" "b"`], "REFUSED"],
    ["a delete of what is not a challenge", [`update delete status.${ZONE}. A`], "REFUSED"],
    ["a name outside the zone", ["update add _acme-challenge.www.elsewhere.example. 60 TXT x"], "NOTZONE"],
    [
      "one good and one bad, of which nothing is done",
      [`update add ${NAME}. 60 TXT "good"`, `update add shop.${ZONE}. 60 TXT "x"`],
      "REFUSED",
    ],
    [
      "an unmet prerequisite: the name is there (RFC 2136 §2.4.5)",
      [`prereq nxdomain www.${ZONE}.`, `update add ${NAME}. 60 TXT "p"`],
      "YXDOMAIN",
    ],
    [
      "an unmet prerequisite: the RRset is not there (RFC 2136 §2.4.1)",
      [`prereq yxrrset ${NAME}. TXT`, `update add ${NAME}. 60 TXT "p"`],
      "NXRRSET",
    ],
  ])("%s is refused", async (_what, lines, rcode) => {
    expect(await nsupdate(lines)).toContain(rcode);
    expect(await dig(NAME, "TXT")).toContain("status: NXDOMAIN");
  });

  test("a zone that is not ours is NOTAUTH (RFC 2136 §3.1.2)", async () => {
    const lines = ["update add _acme-challenge.www.elsewhere.example. 60 TXT x"];
    expect(await nsupdate(lines, [], "elsewhere.example")).toContain("NOTAUTH");
  });

  test("a wrong secret is BADSIG, an unknown key BADKEY, no key REFUSED, in dns or in control", async () => {
    const lines = [`update add ${NAME}. 60 TXT "x"`];
    const wrong = Buffer.alloc(32, 1).toString("base64");
    expect(await nsupdate(lines, ["-y", `hmac-sha256:acme-web:${wrong}`])).toMatch(
      /NOTAUTH\(BADSIG\)|bad key|BADSIG/,
    );
    expect(await nsupdate(lines, ["-y", `hmac-sha256:nobody:${wrong}`])).toMatch(/BADKEY/);
    expect(await nsupdate(lines, ["-y", `hmac-sha512:acme-web:${secret}`])).toMatch(/BADKEY/);
    expect(await nsupdate(lines, [], ZONE, null)).toContain("REFUSED");
  });

  test("the API sets and ends them, and they outlive control", async () => {
    const path = `/v1/challenges/www.${ZONE}/by-api`;
    const made = await call<{ challenge: { owner: string } }>(site, token, path, { until: "+5m" }, "PUT");
    expect(made.challenge.owner).toBe(`${NAME}.`);
    await until("it is answered", async () => (await txt(NAME)).includes("by-api"), 100 * PATIENCE);
    const [control] = childrenOf(node.pid);
    if (control === undefined) throw new Error("no control");
    process.kill(control, "SIGKILL");
    expect(await txt(NAME)).toEqual(["by-api"]);
    expect(await nsupdate([`update add ${NAME}. 60 TXT "x"`])).toContain("SERVFAIL");
    await until(
      "control is back",
      async () => (await fetch(`${site.api}/readyz`).catch(() => null))?.status === 200,
    );
    expect(await txt(NAME)).toEqual(["by-api"]);
    await call(site, token, path, undefined, "DELETE");
    await until(
      "it is gone",
      async () => (await dig(NAME, "TXT")).includes("status: NXDOMAIN"),
      100 * PATIENCE,
    );
  });

  test("they outlive dns, and an upgrade, without a control, and still end by themselves", async () => {
    const path = (value: string): string => `/v1/challenges/www.${ZONE}/${value}`;
    await call(site, token, path("kept"), { until: "+5m" }, "PUT");
    await call(site, token, path("short"), { until: "+6s" }, "PUT");
    await until("they are answered", async () => (await txt(NAME)).length === 2, 100 * PATIENCE);
    await until("they are on disk", () => existsSync(join(site.folder, "var/challenges")));
    await node.end("SIGTERM");
    const zoneFile = join(site.folder, `zones/${ZONE}.zone`);
    const zone = readFileSync(zoneFile, "utf8");
    // Dns starts from its last book, and control waits until its files are in order.
    writeFileSync(zoneFile, "broken");
    const answers = async (): Promise<boolean> => (await dig(ZONE, "SOA")).includes("status: NOERROR");
    node = await startNode(lab, site, { isReady: answers });
    expect(await txt(NAME)).toContain("kept");
    expect(await lab.run("upgrade", "--config", site.folder)).toContain("has taken over");
    expect(await txt(NAME)).toContain("kept");
    await until("the short one has ended", async () => !(await txt(NAME)).includes("short"));
    expect(await txt(NAME)).toEqual(["kept"]);
    expect(await fetch(`${site.api}/readyz`).catch(() => null)).toBeNull();
    writeFileSync(zoneFile, zone);
    await until(
      "control is back",
      async () => (await fetch(`${site.api}/readyz`).catch(() => null))?.status === 200,
    );
    await call(site, token, path("kept"), undefined, "DELETE");
    await until("it is gone", async () => (await dig(NAME, "TXT")).includes("status: NXDOMAIN"));
  });

  test("a challenge ends by itself", async () => {
    await call(site, token, `/v1/challenges/www.${ZONE}/short`, { until: "+1s" }, "PUT");
    await until("it is answered", async () => (await txt(NAME)).includes("short"), 100 * PATIENCE);
    await until("it is gone", async () => (await dig(NAME, "TXT")).includes("status: NXDOMAIN"), 5_000);
  });

  test("a secret that others can read is refused, with its mode", async () => {
    const file = join(site.folder, "keys/acme-web.secret");
    chmodSync(file, 0o640);
    expect(await lab.run("check", site.folder)).toMatch(/acme-web\.secret: has mode 640, expected 600/);
    chmodSync(file, 0o600);
    expect(await lab.run("tsig", "add", "acme-web", "--config", site.folder)).toMatch(/Cannot write/);
  });
});

async function output(program: string, args: readonly string[]): Promise<string> {
  const started = lab.start(program, program, args);
  await started.ended;
  return started.output;
}

/** What nsupdate says; nothing when all went well. `key` null: unsigned. */
async function nsupdate(
  lines: readonly string[],
  args: readonly string[] = [],
  zone = ZONE,
  key: string | null = `hmac-sha256:acme-web:${secret}`,
): Promise<string> {
  const script = join(lab.folder, "update.txt");
  writeFileSync(
    script,
    [`server 127.0.0.1 ${site.port}`, "check-names off", `zone ${zone}.`, ...lines, "send", ""].join("\n"),
  );
  const own = args.includes("-y") || key === null ? [] : ["-y", key];
  return await output("nsupdate", ["-t", "3", "-r", "0", ...own, ...args, script]);
}

function dig(name: string, type: string, ...args: readonly string[]): Promise<string> {
  return output("dig", ["@127.0.0.1", "-p", String(site.port), "+time=2", "+tries=1", ...args, name, type]);
}

async function txt(name: string): Promise<readonly string[]> {
  const printed = await dig(name, "TXT", "+short");
  return printed
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replaceAll('"', ""))
    .sort();
}
