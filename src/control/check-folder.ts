/** What can be said of a folder without a node. */

import { relative, resolve } from "node:path";
import type { NodeConfig, TlsFiles } from "../config/node.ts";
import type { Checked, Problem } from "../problem.ts";
import { readCertificate } from "../serve/certificate.ts";
import { finish } from "../steps.ts";
import { loadConfig } from "./config-file.ts";
import { FileReader } from "./files.ts";
import { loadLabels } from "./load-labels.ts";
import { Planner } from "./planner.ts";
import { type Verification, verify } from "./rules.ts";
import { Loader, type Snapshot } from "./snapshot.ts";
import { ZoneLoader } from "./zone-loader.ts";

/** A folder that was checked. */
export interface CheckedFolder extends Checked<Snapshot> {
  /** What its tests and invariants came to; null: something else was wrong before. */
  readonly verification: Verification | null;
  /** The file of each certificate that can be used, and what its key is known by. */
  readonly pins: ReadonlyMap<string, string>;
}

/** Checks the files in a folder, as a node would that starts with them. */
export function checkFolder(folder: string): CheckedFolder {
  const { value, problems } = new Loader(folder).load();
  const config = value?.config ?? loadConfig(resolve(folder)).value;
  const certificates = config === null ? { pins: new Map(), problems: [] } : checkCertificates(config.node);
  const { pins } = certificates;
  if (value === null || certificates.problems.length > 0)
    return { value: null, problems: [...problems, ...certificates.problems], verification: null, pins };
  const planner = Planner.of(value);
  if (planner.value === null) return { value: null, problems: planner.problems, verification: null, pins };
  const verification = finish(verify({ snapshot: value, planner: planner.value }));
  const isSound = verification.problems.length === 0;
  return { value: isSound ? value : null, problems: verification.problems, verification, pins };
}

/**
 * The pins of a node's certificates, and what is wrong with them. They are not part of a snapshot: whoever serves with them reads them by
 * itself when they change, and a broken one must not keep zones from being loaded.
 */
function checkCertificates({ tls, https, apiTls }: NodeConfig): Pick<CheckedFolder, "pins" | "problems"> {
  const pairs = new Map([tls, https, apiTls].flatMap((files) => (files ? [[filesKey(files), files]] : [])));
  const pins = new Map<string, string>();
  const problems: Problem[] = [];
  for (const files of pairs.values()) {
    const read = readCertificate(files);
    problems.push(...read.problems);
    if (read.value !== null) pins.set(files.certificate, read.value.pin);
  }
  return { pins, problems };
}

/** Two sections may name the same files. */
function filesKey({ certificate, key }: TlsFiles): string {
  return `${certificate} ${key}`;
}

/**
 * What a folder declares, to be sent to a node: the texts of its config, of its zones with what they include, and of its labels, by their
 * paths in the folder. Secrets and geo databases belong to the node.
 */
export function declaredTexts(folder: string): Checked<Readonly<Record<string, string>>> {
  const root = resolve(folder);
  const reader = new FileReader();
  const { value: config, problems } = loadConfig(root, reader);
  if (config === null) return { value: null, problems };
  const zones = finish(new ZoneLoader().load(config, reader));
  const labels = loadLabels(config, (path) => reader.text(path));
  const texts = new Map(
    [...reader.stamps.keys()].map((path) => [relative(root, path), reader.text(path) ?? ""]),
  );
  const outside = [...texts.keys()].filter((path) => path.startsWith("../"));
  const wrong = [
    ...zones.problems,
    ...labels.problems,
    ...outside.map((path) => ({
      file: config.file,
      line: 0,
      column: 0,
      message: `${resolve(root, path)} is not in ${root}, expected files that can be sent under their paths in it`,
    })),
  ];
  return { value: wrong.length === 0 ? Object.fromEntries(texts) : null, problems: wrong };
}
