import { chmodSync, copyFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createServer } from "node:tls";
import { describe, expect, test } from "vitest";
import { type CertificateEvent, keepCertificate, readCertificate } from "../../src/serve/certificate.ts";
import { certificateOf, HAS_OPENSSL, makeCertificate } from "./certificates.ts";
import { until } from "./until.ts";

/** What is wrong, without the folder. */
function messagesOf(problems: readonly { readonly file: string; readonly message: string }[]): string[] {
  const short = (text: string): string => text.replaceAll(/'?\/[^ ]*\/(\d+\.\w+)'?/g, "$1");
  return problems.map(
    ({ file, message }) =>
      `${short(file).replace(/\d+/, "N")}: ${short(message).replaceAll(/\d+\.(pem|key)/g, "N.$1")}`,
  );
}

describe.skipIf(!HAS_OPENSSL)("a certificate and its key (needs openssl)", () => {
  test("are read, with when they end", () => {
    const { value, problems } = readCertificate(makeCertificate());
    expect(problems).toEqual([]);
    const days = (value!.validTo.getTime() - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThan(30.1);
  });

  test("that are not there are both named", () => {
    const files = makeCertificate();
    rmSync(files.certificate);
    rmSync(files.key);
    expect(messagesOf(readCertificate(files).problems)).toEqual([
      "N.pem: cannot be read: ENOENT: no such file or directory, open N.pem",
      "N.key: cannot be read: ENOENT: no such file or directory, open N.key",
    ]);
  });

  test("that are no PEM, and a key that everybody may read, are all said at once", () => {
    const files = makeCertificate();
    writeFileSync(files.certificate, "no certificate");
    writeFileSync(files.key, "no key");
    chmodSync(files.key, 0o644);
    expect(messagesOf(readCertificate(files).problems)).toEqual([
      "N.pem: expected a certificate in PEM",
      "N.key: expected a private key in PEM, without a passphrase",
      "N.key: expected a key that not everybody can use, mode 0600 or 0640, found 0644",
    ]);
  });

  test.each([0o600, 0o400, 0o640])("may have a key of mode %o", (mode) => {
    const files = makeCertificate();
    chmodSync(files.key, mode);
    expect(readCertificate(files).problems).toEqual([]);
  });

  test("must belong together", () => {
    const files = { ...makeCertificate(), key: makeCertificate().key };
    expect(messagesOf(readCertificate(files).problems)).toEqual([
      "N.key: expected the key to the certificate in N.pem, found another one",
    ]);
  });

  test("that end within 14 days are told of, once a day until there are others", async () => {
    const events: CertificateEvent[] = [];
    const files = makeCertificate("dns.test", 15);
    let days = 0;
    const stop = keepCertificate(
      createServer(),
      files,
      (event) => events.push(event),
      () => Date.now() + days * 86_400_000,
    );
    await sleep(1_200);
    expect(events.map(({ kind }) => kind)).toEqual(["used"]);
    for (days = 1.1; days < 4; days += 1) {
      const told = events.length;
      await until(() => events.length > told);
    }
    expect(events.map(({ kind }) => kind)).toEqual(["used", "ending", "ending", "ending"]);
    const next = makeCertificate();
    copyFileSync(next.key, files.key);
    copyFileSync(next.certificate, files.certificate);
    await until(() => events.at(-1)?.kind === "used");
    await sleep(600);
    expect(events.at(-1)?.kind).toBe("used");
    stop();
  });

  test("are used again when they change, and while they do not fit together the old ones are", async () => {
    const events: CertificateEvent[] = [];
    const files = makeCertificate();
    const next = makeCertificate();
    const server = createServer();
    const stop = keepCertificate(server, files, (event) => events.push(event));
    expect(events.map(({ kind }) => kind)).toEqual(["used"]);
    copyFileSync(next.certificate, files.certificate);
    await until(() => events.length === 2);
    expect(events[1]).toMatchObject({ kind: "refused", problems: [{ file: files.key }] });
    copyFileSync(next.key, files.key);
    await until(() => events.length === 3);
    expect(events[2]).toMatchObject({ kind: "used", file: files.certificate });
    expect(certificateOf(files)).toBe(certificateOf(next));
    stop();
  });
});
