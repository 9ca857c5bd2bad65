/** The secrets of bearer tokens: shown once, kept only as a hash that takes time to try. */

import {
  createHash,
  randomBytes,
  type ScryptOptions,
  scrypt,
  scryptSync,
  timingSafeEqual,
} from "node:crypto";

/** The logarithm of scrypt's N: 16 MiB and some 45 ms for each try (RFC 7914 §2; the block size is 8). */
export const SCRYPT_COST = 14;

const BLOCK_SIZE = 8;
const SALT_OCTETS = 16;
const HASH_OCTETS = 32;

/** How many characters an id has, in hexadecimal digits. */
const ID_LENGTH = 16;

/**
 *     meridian_0123456789abcdef_q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA
 *              id, which finds   256 random bits, which prove
 *              the record
 */
const FORM = /^meridian_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

/** What earlier releases made: the random bits alone, whose id is the beginning of their SHA-256. */
const EARLIER_FORM = /^[A-Za-z0-9_-]{43}$/;

/** A secret, and what of it may be known. */
export interface Secret {
  readonly id: string;
  readonly secret: string;
}

/** Makes a secret of 256 random bits, which begins so that programs that look for lost secrets find it. */
export function makeSecret(): Secret {
  const id = randomBytes(ID_LENGTH / 2).toString("hex");
  return { id, secret: `meridian_${id}_${randomBytes(32).toString("base64url")}` };
}

/** The id of the token that a secret may belong to; null: it is none of ours. */
export function idOf(secret: string): string | null {
  if (EARLIER_FORM.test(secret)) return earlierId(digestOf(secret));
  return FORM.exec(secret)?.[1] ?? null;
}

/** A text that anybody may read: of a secret that somebody has put into it, there is no more than the id. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/\b(meridian_[0-9a-f]{16})_[A-Za-z0-9_-]{20,}/g, "$1_…");
}

/** What the store keeps of a secret, with how it was made: `$scrypt$ln=14,r=8,p=1$SALT$HASH`. */
export async function hashSecret(secret: string, cost: number = SCRYPT_COST): Promise<string> {
  const salt = randomBytes(SALT_OCTETS);
  return formatHash(cost, salt, await derive(digestOf(secret), salt, cost));
}

/** Whether this is the secret that a hash was made of. */
export async function isSecretOf(hash: string, secret: string): Promise<boolean> {
  const [, scheme, parameters = "", salt = "", wanted = ""] = hash.split("$");
  const cost = /^ln=(\d+),r=8,p=1$/.exec(parameters)?.[1];
  if (scheme !== "scrypt" || cost === undefined) throw new Error(`a token's hash is no scrypt: ${scheme}`);
  const found = await derive(digestOf(secret), Buffer.from(salt, "base64"), Number(cost));
  return timingSafeEqual(found, Buffer.from(wanted, "base64"));
}

/** What is kept of a secret of which an earlier release had kept the SHA-256; it need not be known for that. */
export function rehash(digest: string): { readonly id: string; readonly hash: string } {
  const salt = randomBytes(SALT_OCTETS);
  const hash = scryptSync(digest, salt, HASH_OCTETS, scryptOptions(SCRYPT_COST));
  return { id: earlierId(digest), hash: formatHash(SCRYPT_COST, salt, hash) };
}

function earlierId(digest: string): string {
  return digest.slice(0, ID_LENGTH);
}

/** What goes into scrypt, so that hashes of earlier releases could be brought to the same form. */
function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function derive(digest: string, salt: Buffer, cost: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(digest, salt, HASH_OCTETS, scryptOptions(cost), (error, hash) =>
      error === null ? resolve(hash) : reject(error),
    );
  });
}

function scryptOptions(cost: number): ScryptOptions {
  const n = 2 ** cost;
  return { N: n, r: BLOCK_SIZE, p: 1, maxmem: 2 * 128 * n * BLOCK_SIZE };
}

function formatHash(cost: number, salt: Buffer, hash: Buffer): string {
  return `$scrypt$ln=${cost},r=${BLOCK_SIZE},p=1$${salt.toString("base64")}$${hash.toString("base64")}`;
}
