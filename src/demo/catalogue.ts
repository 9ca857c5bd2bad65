/** The data that a demo region serves from: a small file that can be lost, torn or another region's. */

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";

export interface Catalogue {
  readonly region: string;
  readonly greeting: string;
}

/** Writes a region's catalogue, whole. */
export async function writeCatalogue(file: string, catalogue: Catalogue): Promise<void> {
  await writeFile(file, `${checksumOf(catalogue)}\n${JSON.stringify(catalogue)}\n`);
}

/** Reads a region's catalogue; a string says why it cannot be used. */
export async function readCatalogue(file: string, region: string): Promise<Catalogue | string> {
  const [checksum, text = ""] = (await readFile(file, "utf8").catch(() => "")).split("\n");
  const catalogue = parseCatalogue(text);
  if (catalogue === null) return `cannot read ${file}`;
  if (checksumOf(catalogue) !== checksum) return `${file} does not match its checksum`;
  if (catalogue.region !== region) return `${file} is for ${catalogue.region}`;
  return catalogue;
}

function parseCatalogue(text: string): Catalogue | null {
  try {
    const { region, greeting }: Record<string, unknown> = JSON.parse(text);
    return typeof region === "string" && typeof greeting === "string" ? { region, greeting } : null;
  } catch {
    return null;
  }
}

function checksumOf({ region, greeting }: Catalogue): string {
  return createHash("sha256")
    .update(JSON.stringify([region, greeting]))
    .digest("hex");
}
