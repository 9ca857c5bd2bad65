/** `meridian token`: works on the store itself, so that the first token needs no token. */

import { parseDuration } from "../config/units.ts";
import { COMMAND_LINE, tokenNameProblems } from "../control/author.ts";
import { grantProblems } from "../control/scope.ts";
import { describeGrant, type TokenGrant } from "../control/store.ts";
import { isValid, newToken } from "../control/token-keeper.ts";
import { complain, print, printTable } from "./console.ts";
import { readConfig } from "./node.ts";
import { withStore } from "./node-store.ts";

interface NewTokenOptions {
  readonly config: string;
  readonly role: TokenGrant["role"];
  readonly vantage?: string;
  readonly pool?: readonly string[];
  readonly zone?: readonly string[];
  readonly service?: readonly string[];
  readonly expires?: string;
}

/** Makes a token and prints its secret, which cannot be shown again. */
export async function addToken(name: string, options: NewTokenOptions): Promise<void> {
  const grant = grantOf(options);
  const lastsMs = options.expires === undefined ? null : parseDuration(options.expires);
  if (grant === null)
    complain(
      "A token of role agent, and no other, names its --vantage, one of role signals its --pool; --zone and --service are for the role operator",
    );
  else if (options.expires !== undefined && (lastsMs === null || lastsMs === 0))
    complain(`--expires: expected a duration such as 12h or 90d, got "${options.expires}"`);
  else {
    const config = readConfig(options.config);
    const problems = config === null ? [] : [...tokenNameProblems(name), ...grantProblems(grant, config)];
    if (config === null || problems.length > 0) {
      for (const problem of problems) complain(problem);
      return;
    }
    const nowMs = Date.now();
    const expiresMs = lastsMs === null ? null : nowMs + lastsMs;
    const { token, hash, secret } = await newToken({ name, grant, expiresMs }, nowMs);
    withStore(config, (store) => {
      if (store.tokens.add(token, hash, COMMAND_LINE)) print(secret);
      else
        complain(
          `Cannot add token ${name}: there is one of that name; remove it first or choose another name`,
        );
    });
  }
}

/** Prints who has tokens. */
export function listTokens(options: { readonly config: string; readonly json?: boolean }): void {
  withStore(readConfig(options.config), (store) => {
    const nowMs = Date.now();
    const rows = store.tokens.list().map((token) => ({
      name: token.name,
      grant: describeGrant(token.grant),
      createdAt: timeOf(token.createdMs),
      expiresAt: timeOf(token.expiresMs),
      usedAt: timeOf(token.usedMs),
      expired: !isValid(token, nowMs),
    }));
    if (options.json === true) print(JSON.stringify(rows, null, 2));
    else
      printTable(
        ["token", "may", "made", "ends", "used"],
        rows.map(({ name, grant, createdAt, expiresAt, usedAt, expired }) => [
          name,
          grant,
          createdAt ?? "",
          expiresAt === null ? "never" : `${expiresAt}${expired ? " (has expired)" : ""}`,
          usedAt ?? "never",
        ]),
      );
  });
}

/** Takes a token's rights away, at once. */
export function removeToken(name: string, options: { readonly config: string }): void {
  withStore(readConfig(options.config), (store) => {
    if (!store.tokens.remove(name, COMMAND_LINE, Date.now())) complain(`There is no token ${name}`);
  });
}

function timeOf(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** null: what the role needs is not given, or something that it has no use for. */
function grantOf({ role, vantage, pool: pools, zone, service }: NewTokenOptions): TokenGrant | null {
  const scope = { zones: zone ?? [], services: service ?? [] };
  const isScoped = scope.zones.length + scope.services.length > 0;
  const takesAll =
    (role === "agent") === (vantage !== undefined) && (role === "signals") === (pools !== undefined);
  if (!takesAll || (isScoped && role !== "operator")) return null;
  if (role === "agent") return vantage === undefined ? null : { role, vantage };
  if (role === "signals") return pools === undefined ? null : { role, pools };
  return role === "operator" && isScoped ? { role, scope } : { role };
}
