/** What a node must show before a token is sent to it: real certificates, real handshakes, and what the server got to read. */

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { connectTo, parseNodeUrl, parseTrust, type TrustOptions } from "../../src/probe/trust.ts";
import { HAS_OPENSSL } from "../serve/certificates.ts";
import { certificateFile, listen, listenTls, pem, pinOfTest } from "./servers.ts";

/** Takes in what a server is sent. */
class Heard {
  text = "";
  readonly take = (socket: Socket): void => {
    socket.setEncoding("utf8").on("data", (text: string) => {
      this.text += text;
      socket.end("thanks");
    });
  };
}

/** Writes a token at once, as HTTP does, and tells why the node was not trusted; null: it was. */
async function handToken(url: string, options: TrustOptions): Promise<string | null> {
  let distrust: string | null = null;
  const socket = connectTo(new URL(url), parseTrust(options), (why) => {
    distrust = why;
  });
  socket.write("token");
  socket.resume();
  const error = await once(socket, "close").then(
    () => null,
    (cause: Error) => cause.message,
  );
  expect(error).toBe(distrust);
  // What was sent would be there by then.
  await sleep(10);
  return distrust;
}

const [good, stranger] = [pinOfTest("good"), pinOfTest("stranger")];
const ca = certificateFile("ca");

describe("a token", () => {
  test.each<[string, string, TrustOptions]>([
    ["of the CA", "good", { ca }],
    ["that signs itself, as its own CA", "stranger", { ca: certificateFile("stranger") }],
    ["that signs itself, by its pin", "stranger", { pin: [stranger] }],
    ["of another name, by its pin", "other", { pin: [pinOfTest("other")] }],
    ["past its end, by its pin", "expired", { pin: [pinOfTest("expired")] }],
    ["with the second of two pins", "good", { pin: [stranger, good] }],
    ["of the CA and with its pin", "good", { ca, pin: [good] }],
  ])("goes to a node with a certificate %s", async (_what, certificate, options) => {
    const heard = new Heard();
    const port = await listenTls(certificate, heard.take);
    expect(await handToken(`https://127.0.0.1:${port}`, options)).toBeNull();
    expect(heard.text).toBe("token");
  });

  test.each<[string, string, TrustOptions, RegExp]>([
    ["of a CA that Node does not know", "good", {}, /unable to verify the first certificate/],
    ["that signs itself", "stranger", {}, /^self-signed certificate/],
    ["that signs itself, in place of one of the CA", "stranger", { ca }, /^self-signed certificate/],
    ["of another name", "other", { ca }, /IP: 127\.0\.0\.1 is not in the cert's list/],
    ["past its end", "expired", { ca }, /^certificate has expired$/],
    ["with another key", "good", { pin: [stranger] }, wrongPin(stranger, good)],
    ["of the CA, with another key", "good", { ca, pin: [stranger] }, wrongPin(stranger, good)],
    ["with its pin, but not of the CA", "stranger", { ca, pin: [stranger] }, /^self-signed certificate/],
  ])("does not go to a node with a certificate %s", async (_what, certificate, options, why) => {
    const heard = new Heard();
    const port = await listenTls(certificate, heard.take);
    expect(await handToken(`https://127.0.0.1:${port}`, options)).toMatch(why);
    expect(heard.text).toBe("");
  });

  test("goes to this machine without TLS", async () => {
    const heard = new Heard();
    const port = await listen(heard.take);
    expect(await handToken(`http://127.0.0.1:${port}`, { pin: [good] })).toBeNull();
    expect(heard.text).toBe("token");
  });

  test("goes by the CA file as it is then", async () => {
    const file = join(tmpdir(), `meridian-ca-${process.pid}.pem`);
    onTestFinished(() => rmSync(file, { force: true }));
    const port = await listenTls("good", new Heard().take);
    const outcomes: (string | null)[] = [];
    for (const text of ["stranger.pem", "ca.pem"].map(pem)) {
      writeFileSync(file, text);
      outcomes.push(await handToken(`https://127.0.0.1:${port}`, { ca: file }));
    }
    expect(outcomes).toEqual([expect.stringContaining("unable to verify"), null]);
  });
});

describe("a pin", () => {
  test.skipIf(!HAS_OPENSSL)("is what openssl makes of the key", () => {
    const file = certificateFile("good");
    const pin = execFileSync("sh", [
      "-c",
      `openssl x509 -in ${file} -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`,
    ]);
    expect(good).toBe(`sha256/${pin.toString().trim()}`);
  });

  test.each(["", "sha256/", `sha1/${good.slice(7)}`, good.slice(7), good.replace("/", "//"), `${good} `])(
    "cannot be %j",
    (pin) => {
      expect(() => parseTrust({ pin: [good, pin] })).toThrow(`Cannot use pin "${pin}": expected sha256/ and`);
    },
  );
});

test.each([
  ["/nonexistent/ca.pem", "ENOENT"],
  [certificateFile("good").replace(/pem$/, "key"), "PEM"],
])("the CA file %s cannot be used", (file, why) => {
  expect(() => parseTrust({ ca: file })).toThrow(why);
  expect(() => parseTrust({ ca: file })).toThrow(`Cannot use CA file ${file}: `);
});

describe("a node", () => {
  test.each([
    "https://dns1.example:8053",
    "wss://192.0.2.1",
    "http://127.0.0.1:8053",
    "http://127.1.2.3",
    "http://[::1]:8053/behind/a/proxy",
    "ws://localhost:8053",
  ])("may be at %s", (node) => {
    expect(parseNodeUrl(node, { clearText: false }).href).toContain(node);
  });

  test.each([
    "http://dns1.example:8053",
    "ws://192.0.2.1",
    "http://[2001:db8::1]:8053",
    "http://127.example",
  ])("at %s would read the token in clear text, which must be said to be right", (node) => {
    expect(() => parseNodeUrl(node, { clearText: false })).toThrow(
      `Cannot use node "${node}": the token would go there in clear text`,
    );
    expect(parseNodeUrl(node, { clearText: true }).href).toContain(node);
  });

  test.each(["dns1.example", "ftp://dns1.example", ""])("cannot be at %j", (node) => {
    expect(() => parseNodeUrl(node, { clearText: true })).toThrow(
      `Cannot use node "${node}": expected a URL`,
    );
  });
});

function wrongPin(wanted: string, seen: string): RegExp {
  return new RegExp(`^${RegExp.escape(`expected a key with the pin ${wanted}, got ${seen}`)}$`);
}
