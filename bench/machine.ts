/** What the figures were measured on: they mean nothing without it. */

import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { type Peer, packagedVersion } from "./peers.ts";

/** Date, machine and versions, as a Markdown list. */
export function describeMachine(peers: readonly Peer[], today: Date): string {
  const packaged = peers.flatMap((peer) => {
    const version = packagedVersion(peer);
    return version === null ? [] : [`${peer.needs?.packages[0]} ${version}`];
  });
  const [cpu] = cpus();
  return [
    `* ${today.toISOString().slice(0, 10)}, ${cpus().length} cores of ${cpu?.model ?? "an unknown CPU"}, Linux ${release()}`,
    `* Node ${process.versions.node}, koffi ${npmVersion("koffi")}, dns2 ${npmVersion("dns2")}`,
    ...(packaged.length === 0 ? [] : [`* ${[...new Set(packaged)].join(", ")}, from Debian`]),
  ].join("\n");
}

function npmVersion(name: string): string {
  const { version } = JSON.parse(
    readFileSync(join(import.meta.dirname, "../node_modules", name, "package.json"), "utf8"),
  );
  return String(version);
}
