/** The section `transfer`: who may have which zones, and who is told when they change. */

import type { TransferPeer, TransferZone } from "./config.ts";
import { keys } from "./keys.ts";
import type { Endpoint } from "./node.ts";
import { parseByZone } from "./parse-by-zone.ts";
import { parsePrefixes } from "./parse-prefixes.ts";
import { keyReference, type TsigKeys } from "./parse-request.ts";
import type { NamedReader, Reader } from "./read.ts";

/** The section `transfer`, by `nameKey` of the apex; null where it is not given. */
export function parseTransfer(
  reader: Reader | null,
  file: string,
  known: TsigKeys,
): ReadonlyMap<string, TransferZone> {
  return parseByZone(reader, file, (value, declared) => {
    const zone = value.fields(keys["transfer.*"]);
    const peers = zone.required("keys")?.entries() ?? [];
    return {
      ...declared,
      omitsSteered: zone.optional("steered")?.oneOf(["omit"]) === "omit",
      peers: peers.flatMap((peer) => parsePeer(peer, known)),
    };
  });
}

function parsePeer({ key, value }: NamedReader, known: TsigKeys): readonly TransferPeer[] {
  const fields = value.fields(keys["transfer.*.keys.*"]);
  const from = parsePrefixes(fields.required("from"));
  const notify = fields.optional("notify")?.items("a list of addresses with their ports") ?? [];
  const tsig = keyReference(key, known);
  return tsig === null ? [] : [{ key: tsig, from, notify: notify.flatMap(parseTarget) }];
}

function parseTarget(reader: Reader): readonly Endpoint[] {
  const endpoint = reader.endpoint();
  if (endpoint === null) return [];
  if (endpoint.port === 0) reader.problem("expected the port where the secondary listens, found 0");
  return [endpoint];
}
