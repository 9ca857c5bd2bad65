/** `meridian token`: works on the store itself, so that the first token needs no token. */

import { describeGrant, type TokenGrant } from "../control/store.ts";
import { hashToken, makeSecret } from "../control/token.ts";
import { complain, print } from "./console.ts";
import { readConfig } from "./node.ts";
import { AUTHOR, withStore } from "./node-store.ts";

/** Makes a token and prints its secret, which cannot be shown again. */
export function addToken(
  name: string,
  options: {
    readonly config: string;
    readonly role: TokenGrant["role"];
    readonly vantage?: string;
    readonly pool?: readonly string[];
  },
): void {
  const grant = grantOf(options.role, options.vantage, options.pool);
  if (grant === null) {
    complain("A token of role agent, and no other, names its --vantage, one of role signals its --pool");
    return;
  }
  withStore(readConfig(options.config), (store) => {
    const secret = makeSecret();
    const token = { name, grant, createdMs: Date.now() };
    if (store.addToken(token, hashToken(secret), AUTHOR)) print(secret);
    else
      complain(`Cannot add token ${name}: there is one of that name; remove it first or choose another name`);
  });
}

/** Prints who has tokens. */
export function listTokens(options: { readonly config: string }): void {
  withStore(readConfig(options.config), (store) => {
    for (const { name, grant, createdMs } of store.tokens()) {
      print(`${name}\t${describeGrant(grant)}\t${new Date(createdMs).toISOString()}`);
    }
  });
}

/** Takes a token's rights away, at once. */
export function removeToken(name: string, options: { readonly config: string }): void {
  withStore(readConfig(options.config), (store) => {
    if (!store.removeToken(name, AUTHOR, Date.now())) complain(`There is no token ${name}`);
  });
}

/** null: what the role needs is not given, or something that it has no use for. */
function grantOf(
  role: TokenGrant["role"],
  vantage: string | undefined,
  pools: readonly string[] | undefined,
): TokenGrant | null {
  switch (role) {
    case "agent":
      return vantage === undefined || pools !== undefined ? null : { role, vantage };
    case "signals":
      return pools === undefined || vantage !== undefined ? null : { role, pools };
    default:
      return vantage === undefined && pools === undefined ? { role } : null;
  }
}
