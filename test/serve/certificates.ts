/** Certificates for tests, made by openssl as they are needed: no key is kept anywhere. */

import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TlsFiles } from "../../src/config/node.ts";

const folder = mkdtempSync(join(tmpdir(), "meridian-tls-"));

let made = 0;

/** Whether certificates can be made here; suites that take one are skipped by name otherwise. */
export const HAS_OPENSSL: boolean = spawnSync("openssl", ["version"]).status === 0;

/** Makes a certificate for 127.0.0.1, ::1 and a name, signed by its own key of mode 0600. */
export function makeCertificate(name = "dns.test", days = 30): TlsFiles {
  made += 1;
  const files = { certificate: join(folder, `${made}.pem`), key: join(folder, `${made}.key`) };
  const names = `subjectAltName=DNS:${name},IP:127.0.0.1,IP:::1`;
  openssl(
    ...[
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      String(days),
    ],
    ...["-subj", `/CN=${name}`, "-addext", names, "-keyout", files.key, "-out", files.certificate],
  );
  chmodSync(files.key, 0o600);
  return files;
}

/** The certificate's text. */
export function certificateOf({ certificate }: TlsFiles): string {
  return readFileSync(certificate, "utf8");
}

function openssl(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}
