/** `meridian import`: a folder for a node, made of another server's configuration, with a report of what it does not say as it was. */

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { checkFolder } from "../control/check-folder.ts";
import { formatNote, type Translation } from "../import/draft.ts";
import { importGdnsd } from "../import/gdnsd.ts";
import { importOctodns } from "../import/octodns.ts";
import { importRoute53, type SourceText } from "../import/route53.ts";
import type { SourceFiles } from "../import/vscf.ts";
import type { Checked } from "../problem.ts";
import { complain, complainOf, plural, print } from "./console.ts";

const REPORT = "import-report.txt";

interface ImportOptions {
  readonly out: string;
}

/** Translates gdnsd's configuration folder. */
export function importFromGdnsd(folder: string, options: ImportOptions): void {
  write(folder, () => importGdnsd(filesIn(folder)), options);
}

interface OctodnsOptions extends ImportOptions {
  readonly zone: string;
}

/** Translates a zone of octoDNS's YAML provider. */
export function importFromOctodns(file: string, options: OctodnsOptions): void {
  write(file, () => importOctodns(file, sourceAt(file).text, options.zone), options);
}

export interface Route53Options extends ImportOptions {
  readonly name: string;
  readonly zone: string;
  readonly ttl: number;
  readonly healthChecks?: string;
}

/** Translates a traffic policy document of Route 53. */
export function importFromRoute53(file: string, options: Route53Options): void {
  const { name, zone, ttl, healthChecks } = options;
  const record = { name, zone, ttlSeconds: ttl };
  const read = (): Checked<Translation> =>
    importRoute53(sourceAt(file), healthChecks === undefined ? null : sourceAt(healthChecks), record);
  write(file, read, options);
}

function sourceAt(file: string): SourceText {
  return { file, text: readFileSync(file, "utf8") };
}

/** Writes a translation, and checks it as a node would that starts with it. */
function write(from: string, translate: () => Checked<Translation>, { out }: ImportOptions): void {
  if (!existsSync(from)) {
    complain(`there is no ${from}`);
    return;
  }
  if (existsSync(out) && readdirSync(out).length > 0) {
    complain(`${out} is there and not empty; nothing has been written`);
    return;
  }
  const { value, problems } = translate();
  if (value === null) {
    complainOf(problems);
    return;
  }
  for (const [path, text] of value.files) {
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), text);
  }
  const lines = value.notes.map(formatNote);
  writeFileSync(join(out, REPORT), lines.map((line) => `${line}\n`).join(""));
  for (const line of lines) print(line);
  print(`${out}: ${plural(value.files.size, "file")}, ${plural(lines.length, "note")} in ${REPORT}`);
  const checked = checkFolder(out);
  if (checked.value === null) complainOf(checked.problems);
}

/** The files of a folder; absolute paths are taken as they are. */
function filesIn(folder: string): SourceFiles {
  const at = (path: string): string => (isAbsolute(path) ? path : join(folder, path));
  return {
    read: (path) => (isFile(at(path)) ? readFileSync(at(path), "utf8") : null),
    list: (path) => (existsSync(at(path)) && !isFile(at(path)) ? readdirSync(at(path)).sort() : []),
  };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
