/** The release, for people and for peers. */

import { readFileSync } from "node:fs";

const { version: declared }: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
);

/** As `package.json` has it. */
export const version: string = declared;
