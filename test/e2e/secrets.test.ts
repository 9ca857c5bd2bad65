/** A node that has every kind of secret, in every kind of trouble: whatever it says, none of them is in it. */

import { appendFileSync, chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Program, useLab } from "./harness.ts";
import { addToken, layOut, type Site, startNode } from "./site.ts";

const lab = useLab();

let site: Site;
let node: Program;
/** By what they are; each in all the forms that it could be shown in. */
const secrets = new Map<string, readonly string[]>();
/** All that anybody has been told. */
let told = "";

describe("secrets", () => {
  beforeAll(async () => {
    site = await layOut(lab, [["zones:", "dnssec: { gslb.example: {} }\nzones:"]]);
    mkdirSync(join(site.folder, "keys"), { recursive: true });
    await lab.run("tsig", "add", "acme-web", "--config", site.folder);
    await lab.run("key", "add", "gslb.example", "--config", site.folder);
    keep("a TSIG key", fileOf("keys/acme-web.secret").trim());
    for (const [name, secret] of [
      ["hook", `whsec_${Buffer.from("a webhook's secret, of 32 octets").toString("base64")}`],
      ["pagerduty", "0123456789abcdefPAGER89abcdef012"],
      ["smtp", "correct-horse-battery-staple-25"],
      ["slack", "http://127.0.0.1:9/services/T0000/B0000/slackslackslackslack"],
    ] as const) {
      writeFileSync(join(site.folder, `keys/${name}`), `${secret}\n`, { mode: 0o600 });
      keep(`of ${name}`, secret);
    }
    const cookies = "8f3b1c0d9e7a6f5b4c3d2e1f0a9b8c7d";
    writeFileSync(join(site.folder, "keys/cookies"), `${cookies}\n`, { mode: 0o600 });
    keep("of cookies", cookies);
    const config = fileOf("meridian.yaml").replace("node:", "node:\n  cookies: { secrets: keys/cookies }");
    writeFileSync(join(site.folder, "meridian.yaml"), config);
    appendFileSync(join(site.folder, "meridian.yaml"), MORE);
    const admin = await addToken(lab, site, "admin", "admin");
    keep("a token (admin)", admin);
    node = await startNode(lab, site);
    for (const role of ["operator", "reader", "observer"]) {
      const { token } = JSON.parse(await tell("POST", "/v1/tokens", admin, { name: role, role }));
      keep(`a token (${role})`, token);
    }
    // They were shown this once.
    told = "";
    const folder = join(site.folder, "var/keys");
    for (const name of readdirSync(folder).filter((name) => name.endsWith(".private")))
      keep(`a private key (${name})`, readFileSync(join(folder, name), "utf8"));
  });

  test("are in nothing that a node says, whatever goes wrong", async () => {
    const [admin = ""] = secrets.get("a token (admin)") ?? [];
    const document = JSON.parse(await tell("GET", "/docs/json"));
    for (const [path, operations] of Object.entries<Record<string, unknown>>(document.paths)) {
      if (path.endsWith("/stream") || path.includes("events")) continue;
      for (const method of Object.keys(operations)) {
        const url = path.replaceAll(/\{[^}]+\}/g, "x");
        for (const token of [admin, null, `${admin}x`]) {
          await tell(method.toUpperCase(), url, token, method === "get" ? undefined : {});
          await tell(method.toUpperCase(), `${url}?x=${token}`, token, method === "get" ? undefined : "{");
        }
      }
    }
    // Nobody listens where these are sent.
    for (const destination of ["hook", "chat", "pager", "mail"])
      expect(await tell("POST", "/v1/alarms/tests", admin, { destination })).toContain('"taken":false');
    // Files that cannot be used: all secrets too open, then cut short, then twice.
    const files = ["acme-web.secret", "hook", "pagerduty", "smtp", "slack", "cookies"].map((name) => {
      const file = join(site.folder, "keys", name);
      return { file, text: readFileSync(file, "utf8") };
    });
    for (const spoil of SPOILT) {
      for (const { file, text } of files) spoil(file, text);
      await tell("POST", "/v1/reload", admin);
      told += await lab.run("check", site.folder).catch(String);
      for (const { file, text } of files) {
        writeFileSync(file, text);
        chmodSync(file, 0o600);
      }
    }
    await tell("POST", "/v1/reload", admin);
    for (const path of [
      "/v1/audit?limit=1000",
      "/v1/history?limit=1000",
      "/v1/tokens",
      "/v1/status",
      "/metrics",
    ])
      await tell("GET", path, admin);
    for (const command of [
      ["token", "list"],
      ["key", "list"],
    ])
      told += await lab.run(...command, "--config", site.folder);
    await node.end("SIGTERM");
    told += node.output;
    expect(secrets.size).toBeGreaterThanOrEqual(10);
    expect(told.length).toBeGreaterThan(50_000);
    expect(told).toMatch(/files cannot be used/);
    expect([...secrets].filter(([, forms]) => forms.some((form) => told.includes(form)))).toEqual([]);
  });
});

const MORE = `
keys: { acme-web: { secret: keys/acme-web.secret } }
acme:
  keys: { acme-web: { names: [www.gslb.example], from: [127.0.0.1/32] } }
alarms:
  destinations:
    hook: { type: webhook, url: "http://127.0.0.1:9/hook", secret: keys/hook }
    chat: { type: slack, url: keys/slack }
    pager: { type: pagerduty, key: keys/pagerduty, url: "http://127.0.0.1:9/v2/enqueue" }
    mail:
      type: email
      server: 127.0.0.1:9
      from: meridian@example.com
      to: [ops@example.com]
      user: meridian
      password: keys/smtp
`;

const SPOILT: readonly ((file: string, text: string) => void)[] = [
  (file) => chmodSync(file, 0o644),
  (file, text) => writeFileSync(file, `${text.trim().slice(0, -3)} !`),
  (file, text) => writeFileSync(file, `${text}${text}`),
];

/** Remembers a secret, as it is written, and what of it can be told from other text when it is written otherwise. */
function keep(what: string, secret: string): void {
  const lines = secret.split("\n").filter((line) => line.length >= 20 && !line.startsWith("-----"));
  const forms = lines.flatMap((line) => {
    const proof = line.replace(/^(meridian_[0-9a-f]{16}|whsec)_/, "");
    return [line, proof, proof.slice(0, -8), Buffer.from(proof).toString("base64").slice(0, 24)];
  });
  secrets.set(what, forms);
}

function fileOf(path: string): string {
  return readFileSync(join(site.folder, path), "utf8");
}

/** Asks the API, and notes all that it says. */
async function tell(
  method: string,
  path: string,
  token: string | null = null,
  body?: unknown,
): Promise<string> {
  const response = await fetch(site.api + path, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  told += `${JSON.stringify([...response.headers])}\n${text}\n`;
  return text;
}
