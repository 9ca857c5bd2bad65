/** The certificate and key of a TLS server: read from files, checked, and read again when they change. */

import { constants, createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContextOptions, type Server } from "node:tls";
import type { Logger } from "pino";
import type { TlsFiles } from "../config/node.ts";
import { type Checked, formatProblem, messageOf, type Problem } from "../problem.ts";

/** A certificate with its chain and the key to it, which fit together. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When it ends. */
  readonly validTo: Date;
  /** What its key is known by: see `pinOf`. */
  readonly pin: string;
}

/** What became of the files when they were read. */
export type CertificateEvent =
  | { readonly kind: "used"; readonly file: string; readonly validTo: Date; readonly pin: string }
  /** It ends soon, or has ended; told once a day. */
  | { readonly kind: "ending"; readonly file: string; readonly validTo: Date }
  /** What was used before, if anything, still is. */
  | { readonly kind: "refused"; readonly problems: readonly Problem[] };

/** What every TLS server of ours wants of its clients; Node's list of ciphers is that of RFC 9325 §4.2. */
const TLS_OPTIONS: SecureContextOptions = {
  minVersion: "TLSv1.2",
  // A second handshake in a connection costs us more than the client that asks for it; TLS 1.3 has none.
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
};

/** How often the files are looked at. They are read when they are as they were then: two files never change at once. */
const LOOK_MS = 500;

/** So long before its end a certificate should have been renewed: certificate authorities give 90 days, and renew after 60. */
const ENDING_MS = 14 * 86_400_000;
const DAY_MS = 86_400_000;

/** Permissions of everybody who is neither the file's owner nor of its group. */
const OTHERS = 0o007;

/**
 * Gives a server its certificate, now and each time that its files have changed. Connections that are open go on with
 * the one that they began with; while there is none, handshakes fail. `now` is Unix time in milliseconds. Returns how to stop.
 */
export function keepCertificate(
  server: Server,
  files: TlsFiles,
  onEvent: (event: CertificateEvent) => void,
  now: () => number = Date.now,
): () => void {
  /** Of the certificate in use; null: there is none. */
  let validTo: Date | null = null;
  let toldMs = Number.NEGATIVE_INFINITY;
  const use = (): void => {
    const { value, problems } = readCertificate(files);
    if (value === null) {
      onEvent({ kind: "refused", problems });
      return;
    }
    server.setSecureContext({ ...TLS_OPTIONS, cert: value.cert, key: value.key });
    validTo = value.validTo;
    toldMs = Number.NEGATIVE_INFINITY;
    onEvent({ kind: "used", file: files.certificate, validTo, pin: value.pin });
  };
  const warn = (): void => {
    if (validTo === null || validTo.getTime() - now() > ENDING_MS || now() - toldMs < DAY_MS) return;
    toldMs = now();
    onEvent({ kind: "ending", file: files.certificate, validTo });
  };
  // Looked at before they are read: what changes meanwhile is read again.
  let read = stampOf(files);
  let seen = read;
  use();
  warn();
  const timer = setInterval(() => {
    warn();
    const stamp = stampOf(files);
    const isSettled = stamp === seen;
    seen = stamp;
    if (!isSettled || stamp === read) return;
    read = stamp;
    use();
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** One line for each event. */
export function logCertificate(event: CertificateEvent, log: Logger): void {
  switch (event.kind) {
    case "used":
      log.info({ validTo: event.validTo.toISOString(), pin: event.pin }, `${event.file} is in force`);
      return;
    case "ending":
      log.warn({ validTo: event.validTo.toISOString() }, `${event.file} ends soon; renew it`);
      return;
    case "refused":
      log.error(
        { problems: event.problems.map(formatProblem) },
        "the certificate cannot be used; one that was read before stays in force",
      );
      return;
  }
}

/** `sha256/` and the SPKI fingerprint of a certificate's key (RFC 7469 §2.4): it stays when the certificate is renewed with the same key. */
export function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: "spki", format: "der" });
  return `sha256/${createHash("sha256").update(key).digest("base64")}`;
}

/** What tells a state of the files from another. Renewals put links or files in the place of old ones. */
function stampOf({ certificate, key }: TlsFiles): string {
  return [certificate, key]
    .map((file) => {
      const stats = orNull(() => statSync(file));
      return stats === null ? "absent" : `${stats.ino} ${stats.size} ${stats.mtimeMs} ${stats.ctimeMs}`;
    })
    .join(", ");
}

/** Reads a certificate and its key; all that is wrong with them otherwise. */
export function readCertificate(files: TlsFiles): Checked<Certificate> {
  const problems: Problem[] = [];
  const complain = (file: string, message: string): null => {
    problems.push({ file, line: 0, column: 0, message });
    return null;
  };
  const cert = readOr(files.certificate, complain);
  const key = readOr(files.key, complain);
  const leaf = cert && orNull(() => new X509Certificate(cert));
  if (cert !== null && leaf === null) complain(files.certificate, "expected a certificate in PEM");
  const secret = key && orNull(() => createPrivateKey(key));
  if (key !== null && secret === null)
    complain(files.key, "expected a private key in PEM, without a passphrase");
  if (key !== null) checkPermissions(files.key, complain);
  if (cert === null || key === null || leaf === null || secret === null) return { value: null, problems };
  checkPair(files, { cert, key, leaf, secret }, complain);
  if (problems.length > 0) return { value: null, problems };
  return { value: { cert, key, validTo: leaf.validToDate, pin: pinOf(leaf) }, problems };
}

type Complain = (file: string, message: string) => null;

/** Whoever can read the key can be this server. */
function checkPermissions(file: string, complain: Complain): void {
  const mode = (orNull(() => statSync(file))?.mode ?? 0) & 0o777;
  if ((mode & OTHERS) !== 0)
    complain(
      file,
      `expected a key that not everybody can use, mode 0600 or 0640, found 0${mode.toString(8)}`,
    );
}

function checkPair(
  files: TlsFiles,
  { cert, key, leaf, secret }: { cert: Buffer; key: Buffer; leaf: X509Certificate; secret: KeyObject },
  complain: Complain,
): void {
  if (!leaf.checkPrivateKey(secret)) {
    complain(files.key, `expected the key to the certificate in ${files.certificate}, found another one`);
    return;
  }
  try {
    createSecureContext({ ...TLS_OPTIONS, cert, key });
  } catch (cause) {
    complain(
      files.certificate,
      `expected a certificate with its chain that TLS can use: ${messageOf(cause)}`,
    );
  }
}

function readOr(file: string, complain: Complain): Buffer | null {
  try {
    return readFileSync(file);
  } catch (cause) {
    return complain(file, `cannot be read: ${messageOf(cause)}`);
  }
}

function orNull<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
