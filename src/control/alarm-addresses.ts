/** Reads what alarms need to reach their destinations: secrets and certificate authorities. */

import type { Address } from "../alarm/send.ts";
import type { Destination, SecretSource } from "../config/alarms.ts";
import type { Config } from "../config/config.ts";
import type { Checked, Problem } from "../problem.ts";
import type { FileReader } from "./files.ts";
import { readSecretFile } from "./secret-file.ts";

/** The destinations of a config, by name. */
export type Addresses = ReadonlyMap<string, Address>;

/** The shortest secret that a webhook is signed with, in octets: standardwebhooks.com asks for 24 to 64. */
const SECRET_OCTETS_MIN = 24;

/** All of them, or every problem. A secret never stands in a problem. */
export function loadAddresses({ alarms, file }: Config, reader: FileReader): Checked<Addresses> {
  const problems: Problem[] = [];
  const addresses = new Map<string, Address>();
  for (const [id, destination] of alarms.destinations) {
    const source = secretOf(destination);
    const read =
      source === null ? { secret: null } : readSecret(source, `the secret of destination ${id}`, reader);
    const complain = (message: string): void => {
      problems.push(
        source?.from === "file"
          ? { file: source.file, line: 0, column: 0, message }
          : { file, line: source?.place.line ?? 0, column: source?.place.column ?? 0, message },
      );
    };
    if ("message" in read) {
      complain(read.message);
      continue;
    }
    const problem = read.secret === null ? null : secretProblem(destination, read.secret);
    if (problem !== null) complain(problem);
    const ca = destination.ca === null ? null : reader.bytes(destination.ca);
    if (destination.ca !== null && ca === null)
      problems.push({
        file: destination.ca,
        line: 0,
        column: 0,
        message: `cannot be read, expected the certificate authorities of destination ${id} (PEM)`,
      });
    addresses.set(id, { destination, secret: read.secret, ca });
  }
  return { value: problems.length === 0 ? addresses : null, problems };
}

/** The files that destinations name. */
export function addressFilesOf({ alarms }: Pick<Config, "alarms">): readonly string[] {
  return [...alarms.destinations.values()].flatMap((destination) => {
    const source = secretOf(destination);
    return [source?.from === "file" ? source.file : null, destination.ca].filter((file) => file !== null);
  });
}

function secretOf(destination: Destination): SecretSource | null {
  switch (destination.kind) {
    case "webhook":
      return destination.secret;
    case "slack":
      return destination.url;
    case "pagerduty":
      return destination.key;
    case "email":
      return destination.login?.password ?? null;
  }
}

function readSecret(
  source: SecretSource,
  what: string,
  reader: FileReader,
): { readonly secret: string } | { readonly message: string } {
  if (source.from === "file") return readSecretFile(source.file, what, reader);
  const secret = process.env[source.variable];
  return secret === undefined || secret === ""
    ? { message: `the environment has no variable ${source.variable}, expected ${what} in it` }
    : { secret };
}

function secretProblem({ kind, id }: Destination, secret: string): string | null {
  switch (kind) {
    case "webhook": {
      const base64 = secret.replace(/^whsec_/, "");
      const octets = Buffer.from(base64, "base64");
      const isBase64 = octets.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "");
      if (isBase64 && octets.length >= SECRET_OCTETS_MIN) return null;
      return `expected the secret of destination ${id}: whsec_ and at least ${SECRET_OCTETS_MIN} octets in base64, as \`openssl rand -base64 32\` makes them`;
    }
    case "slack":
      return /^https?:\/\/\S+$/.test(secret) && URL.canParse(secret)
        ? null
        : `expected the URL of destination ${id}`;
    default:
      return null;
  }
}
