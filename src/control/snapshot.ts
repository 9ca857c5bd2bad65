/** Loads everything that operators declare, all of it sound or none of it used. */

import { join, relative, resolve } from "node:path";
import type { ZoneSigning } from "../book/content.ts";
import type { Config } from "../config/config.ts";
import type { Policy } from "../config/policy.ts";
import type { Atlas } from "../geo/atlas.ts";
import { checkBounds } from "../health/bound.ts";
import type { Checked, Problem } from "../problem.ts";
import { finish, type Steps } from "../steps.ts";
import { parsePrefix } from "../wire/address.ts";
import { parseZoneInSteps } from "../zone/parse.ts";
import type { Zone } from "../zone/zone.ts";
import { type Addresses, addressFilesOf, loadAddresses } from "./alarm-addresses.ts";
import type { AppliedFiles } from "./applied.ts";
import { CONFIG_FILE, lastGoodConfig, loadConfig, parseConfigText } from "./config-file.ts";
import { crossCheck } from "./cross-check.ts";
import { DISK, FileReader, type FileSource, type FileStamp, type GivenFiles, Remembered } from "./files.ts";
import { GeoLoader, type GeoSource, type NamedNetworks } from "./geo-loader.ts";
import { loadLabels } from "./load-labels.ts";
import { policiesIn } from "./policy-walk.ts";
import type { LoadedFiles } from "./recorder.ts";
import { signZones, type ZoneKeys } from "./signing.ts";
import { transferProblems } from "./transfer-check.ts";
import { loadTsigKeys, type TsigKeys } from "./tsig-keys.ts";
import { originOf, ZoneLoader } from "./zone-loader.ts";

/** What operators declare, frozen. Overrides and facts are not in it. */
export interface Snapshot {
  readonly config: Config;
  /** Signed ones have their DNSKEY, CDS and CDNSKEY RRsets in them. */
  readonly zones: readonly Zone[];
  /** The signed zones, by `nameKey` of the apex. */
  readonly signing: ReadonlyMap<string, ZoneSigning>;
  /** What there is of keys for each of them. */
  readonly zoneKeys: ReadonlyMap<string, ZoneKeys>;
  readonly atlas: Atlas;
  /** Where the atlas comes from. */
  readonly geo: GeoSource;
  readonly keys: TsigKeys;
  /** Whom alarms are told. */
  readonly addresses: Addresses;
}

/** What one attempt to load came to. */
export interface Loaded extends Checked<Snapshot> {
  /** Every file that was asked for, so that a change of any of them can be noticed. */
  readonly stamps: ReadonlyMap<string, FileStamp>;
  /** Those of them that answers depend on. */
  readonly files: LoadedFiles;
  /** What is wrong, but not so that the snapshot could not be used: a broken geo file while an older one is kept. */
  readonly warnings: readonly Problem[];
}

/** The files of one attempt to load, told apart by what becomes of them. */
class Readers {
  /** Those on disk. Secrets and keys are in this one alone. */
  readonly all: FileReader;
  readonly texts: FileReader;
  readonly databases: FileReader;
  /** Where texts come from. */
  readonly source: FileSource;

  constructor(all: FileReader = new FileReader(), given: GivenFiles | null = null) {
    this.all = all;
    this.texts = new FileReader(given ?? all);
    this.databases = new FileReader(all);
    this.source = given ?? DISK;
  }
}

/** Loads a folder again and again; what has not changed is read and parsed once. */
export class Loader {
  readonly #folder: string;
  readonly #applied: AppliedFiles | null;
  readonly #onDisk = new Remembered<Checked<Config>>();
  readonly #given = new Remembered<Checked<Config>>();
  readonly #zones = new ZoneLoader();
  readonly #geo = new GeoLoader();

  /** Files that were applied take the place of those in the folder, but for the section `node`, secrets and geo databases. */
  constructor(folder: string, applied: AppliedFiles | null = null) {
    this.#folder = resolve(folder);
    this.#applied = applied;
  }

  /**
   * Reads all files. Zones and geo data are checked even where they do not fit together, so that one attempt shows all
   * that is wrong; only a config that cannot be parsed hides what it names.
   */
  load(): Loaded {
    return finish(this.loadInSteps());
  }

  /** The same in steps; one load after the other. `from` says which files: those that count, those on disk, or some that are proposed. */
  *loadInSteps(from: "in force" | "disk" | GivenFiles = "in force"): Steps<Loaded> {
    const readers = new Readers();
    const onDisk = this.#onDisk.of(readers.texts, (own) => loadConfig(this.#folder, own));
    if (onDisk.value === null || from === "disk") return yield* this.#load(onDisk, readers);
    const given = from === "in force" ? this.#inForce(onDisk.value, readers.all) : from;
    if (given === null) return yield* this.#load(onDisk, readers);
    if ("message" in given) {
      readers.all.stamp(given.file);
      return yield* this.#load({ value: null, problems: [given] }, readers);
    }
    const over = new Readers(readers.all, given);
    const parsed = this.#given.of(over.texts, (own) => loadConfig(this.#folder, own));
    return yield* this.#load(this.#over(parsed, onDisk.value), over);
  }

  /**
   * The snapshot of texts that were in force before, while those that count cannot be used. The section `node` is that of the config on
   * disk, or the one that dns goes by where that is broken.
   */
  *loadBeforeInSteps(before: GivenFiles, stateFolder: string): Steps<Loaded> {
    const readers = new Readers(new FileReader(), before);
    const onDisk = this.#onDisk.of(readers.all, (own) => loadConfig(this.#folder, own));
    const own = onDisk.value ?? lastGoodConfig(this.#folder, stateFolder);
    const parsed = this.#given.of(readers.texts, (texts) => loadConfig(this.#folder, texts));
    const value = parsed.value && own && { ...parsed.value, node: own.node };
    return yield* this.#load({ ...parsed, value }, readers);
  }

  /** The applied files that count, or what is wrong with them; null: those on disk do. */
  #inForce({ node }: Config, disk: FileReader): GivenFiles | Problem | null {
    if (this.#applied === null) return null;
    if (this.#applied.problem !== null && node.source === "api") return this.#applied.problem;
    return this.#applied.inPlaceOf(disk, node);
  }

  /**
   * A config from elsewhere, with the section `node` of this machine. What it names and does not bring along must be in the folder or
   * be named by the config there: whoever may apply a config need not be one who may read files.
   */
  #over({ value, problems }: Checked<Config>, own: Config): Checked<Config> {
    if (value === null) return { value, problems };
    const known = new Set(localFilesOf(own));
    const strange = localFilesOf(value).filter(
      (file) => !known.has(file) && relative(this.#folder, file).startsWith("../"),
    );
    const refused = strange.map((file) => ({
      file: value.file,
      line: 0,
      column: 0,
      message: `${file} is not in ${this.#folder}, and the config there does not name it: expected a file that does not come with what is applied to be one of these`,
    }));
    return {
      value: refused.length === 0 ? { ...value, node: own.node } : null,
      problems: [...problems, ...refused],
    };
  }

  /**
   * The same with another text in place of the config's, which may name no files but those that `running` names: whoever may
   * try a config need not be one who may read files. The section `node` stays as it is.
   */
  *loadTextInSteps(text: string, running: Config): Steps<Loaded> {
    const parsed = parseConfigText(join(this.#folder, CONFIG_FILE), text, this.#folder);
    const value = parsed.value && { ...parsed.value, node: running.node };
    const strange = value === null ? [] : strangersIn(value, running);
    const problems = [...parsed.problems, ...strange];
    const all = new FileReader();
    const given = this.#inForce(running, all);
    const readers = new Readers(all, given !== null && "texts" in given ? given : null);
    return yield* this.#load({ value: strange.length > 0 ? null : value, problems }, readers);
  }

  /**
   * The snapshot that files of the past made, by their texts, as far as answers are to be explained: without keys and signatures, and with the
   * geo databases that are read now.
   */
  *loadPastInSteps(texts: ReadonlyMap<string, string>, running: Config): Steps<Checked<Snapshot>> {
    const file = join(this.#folder, CONFIG_FILE);
    const { value, problems } = parseConfigText(file, texts.get(file) ?? "", this.#folder);
    if (value === null) return { value: null, problems };
    const { database, asnDatabase } = running.geo;
    const config = { ...value, geo: { ...value.geo, database, asnDatabase } };
    const read = (path: string): string | null => texts.get(path) ?? null;
    const zones: Checked<Zone>[] = [];
    for (const path of config.zones) zones.push(yield* parseZoneInSteps(path, originOf(path), read));
    const labels = loadLabels(config, read);
    const geo = this.#geo.load(config, labels.value ?? [], networksIn(config), new FileReader());
    const wrong = [...zones.flatMap((zone) => zone.problems), ...labels.problems, ...geo.problems];
    if (geo.value === null || wrong.length > 0) return { value: null, problems: wrong };
    const { atlas, source } = geo.value;
    const nothing = { signing: new Map(), zoneKeys: new Map(), keys: new Map(), addresses: new Map() };
    const snapshot = {
      config,
      zones: zones.flatMap((zone) => zone.value ?? []),
      atlas,
      geo: source,
      ...nothing,
    };
    return { value: snapshot, problems: [] };
  }

  *#load(config: Checked<Config>, { all, texts, databases, source }: Readers): Steps<Loaded> {
    const files = { texts: texts.stamps, source, databases: databases.stamps };
    if (config.value === null) return { ...config, value: null, stamps: all.stamps, files, warnings: [] };

    const zones = yield* this.#zones.load(config.value, texts);
    const signed = yield* signZones(config.value, zones.value, all);
    const labels = loadLabels(config.value, (path) => texts.text(path));
    const keys = loadTsigKeys(config.value, all);
    const addresses = loadAddresses(config.value, all);
    const geo = this.#geo.load(config.value, labels.value ?? [], networksIn(config.value), databases);
    const problems = [
      ...config.problems,
      ...zones.problems,
      ...labels.problems,
      ...keys.problems,
      ...addresses.problems,
      ...geo.problems,
      ...checkBounds(config.value),
      ...(zones.problems.length === 0
        ? [
            ...(yield* crossCheck(config.value, zones.value)),
            ...(yield* transferProblems(config.value, zones.value)),
            ...signed.problems,
          ]
        : []),
    ];
    const { value } = geo;
    return {
      value:
        value === null || keys.value === null || addresses.value === null || problems.length > 0
          ? null
          : {
              config: config.value,
              zones: signed.zones,
              signing: signed.signing,
              zoneKeys: signed.zoneKeys,
              atlas: value.atlas,
              geo: value.source,
              keys: keys.value,
              addresses: addresses.value,
            },
      problems,
      stamps: all.stamps,
      files,
      warnings: geo.warnings,
    };
  }
}

/** The files that a config names and the running one does not. */
function strangersIn(config: Config, running: Config): readonly Problem[] {
  const known = new Set(filesOf(running));
  const strangers = filesOf(config).filter((file) => !known.has(file));
  return strangers.map((file) => ({
    file: config.file,
    line: 0,
    column: 0,
    message: `${file} is not in the running config, expected no other files in one that is only tried`,
  }));
}

function filesOf(config: Config): readonly string[] {
  return [...config.zones, ...config.geo.labels, ...localFilesOf(config)];
}

/** Those that belong to the machine: secrets, and what is too large to be sent around. */
function localFilesOf(config: Config): readonly string[] {
  const { geo, keys } = config;
  return [
    ...addressFilesOf(config),
    geo.database,
    geo.asnDatabase,
    ...[...keys.values()].map(({ secretFile }) => secretFile),
  ].filter((file) => file !== null);
}

/** The networks that policies of services, and invariants, tell apart. */
function networksIn(config: Config): NamedNetworks {
  const seen = new Set<Policy>();
  const prefixes = new Set<string>();
  const asns = new Set<number>();
  for (const policy of config.services.flatMap((service) => policiesIn(service.policy, seen))) {
    if (policy.kind === "latency") {
      for (const prefix of policy.prefixes) prefixes.add(prefix);
      for (const asn of policy.asns) asns.add(asn);
    }
    if (policy.kind !== "geo") continue;
    for (const { match } of policy.cases) {
      if (match.by === "prefix") prefixes.add(match.prefix);
      if (match.by === "asn") asns.add(match.asn);
    }
  }
  for (const match of config.invariants.flatMap(({ clients }) => clients.flat())) {
    if (match.by === "prefix") prefixes.add(match.prefix);
    if (match.by === "asn") asns.add(match.asn);
  }
  return { prefixes: [...prefixes].map(parsePrefix).filter((prefix) => prefix !== null), asns };
}
