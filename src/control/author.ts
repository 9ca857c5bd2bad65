/** Who makes changes: the node itself, a command on its machine, or the owner of a token. */

/** What the node does of its own accord. */
export const MERIDIAN = "meridian";

/** What comes into force because files have changed. */
export const FILE = "file";

/** What commands do that work on the store itself. */
export const COMMAND_LINE = "command line";

/** A token's name is the author of all that is done with it; `key NAME` and `local:NAME` cannot be among them. */
export const TOKEN_NAME = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$";

const reserved: ReadonlySet<string> = new Set([MERIDIAN, FILE]);

/** What is wrong with the name of a new token, beginning with its key. */
export function tokenNameProblems(name: string): readonly string[] {
  if (!new RegExp(TOKEN_NAME).test(name))
    return [`name: expected at most 63 letters, digits, dots, hyphens and underscores, got "${name}"`];
  if (reserved.has(name.toLowerCase()))
    return [`name: expected another than "${name}", under which the node itself makes changes`];
  return [];
}
