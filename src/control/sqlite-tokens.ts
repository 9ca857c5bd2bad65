/** Tokens in the SQLite store: who has which, with hashes of their secrets. */

import { integer, oneOf, optionalInteger, text } from "./columns.ts";
import type { SqliteAudit } from "./sqlite-audit.ts";
import {
  type AuditEvent,
  describeGrant,
  ROLES,
  type TokenGrant,
  type TokenRecord,
  type TokenStore,
} from "./store.ts";
import type { Row, StoreFile } from "./store-file.ts";

/** Within a file that has its tables. */
export class SqliteTokens implements TokenStore {
  readonly #file: StoreFile;
  readonly #audit: SqliteAudit;
  readonly #version: () => number;

  /** `version` is that of the moment, for the audit list. */
  constructor(file: StoreFile, audit: SqliteAudit, version: () => number) {
    this.#file = file;
    this.#audit = audit;
    this.#version = version;
  }

  list(): readonly TokenRecord[] {
    return this.#file.all("SELECT * FROM tokens ORDER BY name").map(readToken);
  }

  find(id: string): { readonly token: TokenRecord; readonly hash: string } | null {
    const row = this.#file.one("SELECT * FROM tokens WHERE id = ?", id);
    return row === null ? null : { token: readToken(row), hash: text(row, "hash") };
  }

  add(token: TokenRecord, hash: string, author: string): boolean {
    const { id, name, grant, createdMs, expiresMs } = token;
    const vantage = grant.role === "agent" ? grant.vantage : null;
    const pools = grant.role === "signals" ? grant.pools.join(" ") : null;
    return this.#file.transaction(() => {
      const added = this.#file.run(
        `INSERT INTO tokens (id, name, hash, role, vantage, pools, scope, created_ms, expires_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
        id,
        name,
        hash,
        grant.role,
        vantage,
        pools,
        grant.role === "operator" && grant.scope !== undefined ? JSON.stringify(grant.scope) : null,
        createdMs,
        expiresMs,
      );
      const until = expiresMs === null ? "" : ` until ${new Date(expiresMs).toISOString()}`;
      const detail = `${name} (${describeGrant(grant)})${until}`;
      if (added) this.#say("token-added", detail, author, createdMs);
      return added;
    });
  }

  remove(name: string, author: string, atMs: number): boolean {
    return this.#file.transaction(() => {
      const removed = this.#file.run("DELETE FROM tokens WHERE name = ?", name);
      if (removed) this.#say("token-removed", name, author, atMs);
      return removed;
    });
  }

  saveUses(uses: ReadonlyMap<string, number>): void {
    this.#file.transaction(() => {
      for (const [id, usedMs] of uses)
        this.#file.run("UPDATE tokens SET used_ms = ? WHERE id = ?", usedMs, id);
    });
  }

  #say(event: AuditEvent, detail: string, author: string, atMs: number): void {
    this.#audit.append({ version: this.#version(), atMs, author, reason: "", event, detail });
  }
}

function readToken(row: Row): TokenRecord {
  return {
    id: text(row, "id"),
    name: text(row, "name"),
    grant: readGrant(row),
    createdMs: integer(row, "created_ms"),
    expiresMs: optionalInteger(row, "expires_ms"),
    usedMs: optionalInteger(row, "used_ms"),
  };
}

function readGrant(row: Row): TokenGrant {
  const role = oneOf(row, "role", ROLES);
  switch (role) {
    case "agent":
      return { role, vantage: text(row, "vantage") };
    case "signals":
      return { role, pools: text(row, "pools").split(" ") };
    case "operator":
      return row["scope"] === null ? { role } : { role, scope: JSON.parse(text(row, "scope")) };
    default:
      return { role };
  }
}
