/** A node whose API has TLS, and those who ask it: agents and operators. */

import { execFile } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import { runAgent } from "../../../src/agent.ts";
import { checkFolder } from "../../../src/control/check-folder.ts";
import { parseTrust, type TrustOptions } from "../../../src/probe/trust.ts";
import { readCertificate } from "../../../src/serve/certificate.ts";
import { HAS_OPENSSL, makeCertificate } from "../../serve/certificates.ts";
import { CONFIG, Folder, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const CLI = join(import.meta.dirname, "../../../src/cli.ts");

/** Runs an agent from Dublin, and returns what it logs. */
async function agentOf(api: TestApi, trust: TrustOptions): Promise<readonly string[]> {
  const said: string[] = [];
  const agent = await runAgent({
    nodes: [api.url],
    trust: parseTrust(trust),
    token: api.tokens.agent,
    vantage: "dublin",
    resolver: null,
    log: pino({}, { write: (line: string) => void said.push(JSON.parse(line).msg) }),
  });
  onTestFinished(() => agent.stop());
  return said;
}

/** What a command prints, and what it complains of. */
async function meridian(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const options = { env: { ...process.env, ...env } };
  return promisify(execFile)(process.execPath, [CLI, ...args], options).catch(
    (failed: { stdout: string; stderr: string }) => failed,
  );
}

describe.skipIf(!HAS_OPENSSL)("a node with a certificate (needs openssl)", () => {
  test("gets a new one without losing a report stream, and agents that have both pins come back", async () => {
    const [apiTls, next] = [makeCertificate(), makeCertificate()];
    const [old, coming] = [apiTls, next].map((files) => readCertificate(files).value!.pin);
    const api = await TestApi.open(new Node(), { apiTls });
    const said = await agentOf(api, { pin: [old!, coming!] });
    await expect.poll(() => said).toContain("connected to node");
    copyFileSync(next.key, apiTls.key);
    copyFileSync(next.certificate, apiTls.certificate);
    await expect
      .poll(() => api.logged.filter((line) => "pin" in line).map((line) => Object(line).pin), {
        timeout: 5_000,
      })
      .toEqual([old, coming]);
    expect(said).toEqual(["agent started", "connected to node"]);
    expect(api.node.desk.vantages()[0]).toMatchObject({ vantage: "dublin", streams: 1 });
    const returned = await agentOf(api, { pin: [coming!] });
    await expect.poll(() => returned).toContain("connected to node");
    const strange = await agentOf(api, { pin: [old!] });
    await expect.poll(() => strange).toContain("cannot trust that this is the node; it gets no token");
  });

  test("listens without a usable one too, and serves once there is one", async () => {
    const apiTls = makeCertificate();
    const [{ key }, whole] = [makeCertificate(), { ...apiTls, key: `${apiTls.key}.kept` }];
    copyFileSync(apiTls.key, whole.key);
    copyFileSync(key, apiTls.key);
    const api = await TestApi.open(new Node(), { apiTls });
    expect(api.node.desk.status().version).toBe(1);
    const said = await agentOf(api, { pin: [readCertificate(whole).value!.pin] });
    await expect.poll(() => said).toContain("cannot connect to node");
    copyFileSync(whole.key, apiTls.key);
    await expect.poll(() => said, { timeout: 5_000 }).toContain("connected to node");
  });

  test("is asked by operators who pin its key, or have its CA; by others it is not told their token", async () => {
    const apiTls = makeCertificate();
    const { pin } = readCertificate(apiTls).value!;
    const api = await TestApi.open(new Node(), { apiTls });
    const ask = ["capacity", "--api", api.url, "--json"];
    const env = { MERIDIAN_TOKEN: api.tokens.reader };
    expect((await meridian([...ask, "--pin", pin], env)).stdout).toMatch(/^\[/);
    expect((await meridian([...ask, "--ca", apiTls.certificate], env)).stdout).toMatch(/^\[/);
    expect(
      (await meridian(ask, { ...env, MERIDIAN_PIN: `sha256/${"A".repeat(43)}=,${pin}` })).stdout,
    ).toMatch(/^\[/);
    expect((await meridian(ask, env)).stderr).toMatch(
      /^Cannot ask https:\/\/127.0.0.1:\d+: self-signed certificate.*; --ca or --pin may say whom to trust; the token was not sent\n$/,
    );
    const clear = await meridian(["capacity", "--api", "http://192.0.2.1:8053"], env);
    expect(clear.stderr).toMatch(
      /^Cannot use node "http:\/\/192\.0\.2\.1:8053": the token would go there in clear text/,
    );
  });

  test("tells its pin when its config is checked", () => {
    const { certificate, key } = makeCertificate();
    const tls = `tls: { certificate: ${certificate}, key: ${key} }`;
    const folder = new Folder({
      "meridian.yaml": CONFIG.replace(
        'api: { listen: "127.0.0.1:0" }',
        `api: { listen: "127.0.0.1:0", ${tls} }`,
      ),
    });
    const { pins, problems } = checkFolder(folder.path);
    expect(problems).toEqual([]);
    expect([...pins]).toEqual([[certificate, readCertificate({ certificate, key }).value!.pin]]);
  });
});
