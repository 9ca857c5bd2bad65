/** Bearer tokens: made once, shown once, kept only as a hash. */

import { createHash, randomBytes } from "node:crypto";

/** A secret of 256 random bits, in 43 characters of base64url. */
export function makeSecret(): string {
  return randomBytes(32).toString("base64url");
}

/** What the store keeps of a secret. A plain SHA-256 is enough, because nobody can guess 256 random bits. */
export function hashToken(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}
