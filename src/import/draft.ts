/** A Meridian configuration that is being made of another server's, and the report of what did not go over as it was. */

import { Document, visit } from "yaml";
import type { Origin } from "./item.ts";

/** A policy or pool by its name, or a policy written in place, as `meridian.yaml` has it. */
export type DraftPolicy = string | { readonly [key: string]: unknown };

/** A member of a pool. */
export interface DraftMember {
  readonly region: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly weight?: number;
}

/** A pool, as `meridian.yaml` has it. */
export interface DraftPool {
  readonly check?: string;
  readonly minUp?: number;
  readonly members: Readonly<Record<string, DraftMember>>;
}

/** A service, as `meridian.yaml` has it. */
export interface DraftService {
  readonly ttl: string | { readonly min: string; readonly max: string };
  readonly policy: DraftPolicy;
  readonly whenDown?: unknown;
}

/**
 * left-out: nothing of it is in the translation. changed: the translation does something else than the original. assumed:
 * the original does not say it.
 */
export type NoteKind = "left-out" | "changed" | "assumed";

/** Something that somebody has to look at. */
export interface Note extends Origin {
  readonly kind: NoteKind;
  readonly message: string;
}

/** A translation that is written out. */
export interface Translation {
  /** Texts by their paths in the folder of the new configuration. */
  readonly files: ReadonlyMap<string, string>;
  /** In the order of the original. */
  readonly notes: readonly Note[];
}

/** `file:line:column: changed: message`, the form editors can jump to. */
export function formatNote({ file, line, column, kind, message }: Note): string {
  return `${file}:${line}:${column}: ${kind.replace("-", " ")}: ${message}`;
}

/** Where something stands of which nobody says where. */
const NOWHERE = [0, 0] as const;
/** The region of what belongs to no place. */
export const MAIN_REGION = "main";
/** A name of `meridian.yaml` is no longer. */
const NAME_LENGTH_MAX = 63;
/** Characters of what stands in one line. */
const LINE_LENGTH_MAX = 90;
/** The longest TTL that a service can have. */
const TTL_SECONDS_MAX = 86_400;

/** Collects the parts. Names that it gives out are unique, and names that `meridian.yaml` takes. */
export class Draft {
  readonly node: Record<string, unknown> = {};
  database: string | null = null;
  readonly #regions = new Map<string, readonly [number, number] | null>();
  readonly #checks = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #pools = new Map<string, DraftPool>();
  readonly #policies = new Map<string, DraftPolicy>();
  readonly #services = new Map<string, DraftService>();
  readonly #zones = new Map<string, string>();
  readonly #notes: Note[] = [];
  readonly #names = new Set<string>();
  readonly #said = new Set<string>();
  /** What named a region first. */
  readonly #origins = new Map<string, Origin>();

  note(kind: NoteKind, { file, line, column }: Origin, message: string): void {
    this.#notes.push({ kind, file, line, column, message });
  }

  /** The same, once for all that it is true of. */
  noteOnce(kind: NoteKind, origin: Origin, message: string): void {
    if (!this.#said.has(message)) this.note(kind, origin, message);
    this.#said.add(message);
  }

  /** Makes sure of a region, and returns its name; `at`: latitude and longitude, null where they are not known. */
  region(name: string, at: readonly [number, number] | null, origin: Origin): string {
    const region = asName(name);
    const known = this.#regions.get(region) ?? null;
    this.#regions.set(region, known ?? at);
    if (!this.#origins.has(region)) this.#origins.set(region, origin);
    return region;
  }

  hasCheck(name: string): boolean {
    return this.#checks.has(name);
  }

  check(name: string, check: Readonly<Record<string, unknown>>): string {
    const given = asName(name);
    this.#checks.set(given, check);
    return given;
  }

  /** Adds a pool under this name, or one like it where it is taken; returns the name. */
  pool(name: string, pool: DraftPool): string {
    const given = this.#fresh(name);
    this.#pools.set(given, pool);
    return given;
  }

  policy(name: string, policy: DraftPolicy): string {
    const given = this.#fresh(name);
    this.#policies.set(given, policy);
    return given;
  }

  service(name: string, service: DraftService): void {
    this.#services.set(name, service);
  }

  /** A master file by its path. */
  zone(path: string, text: string): void {
    this.#zones.set(path, text);
  }

  /** A TTL of a service that lasts from `min` to `max` seconds. */
  ttl(min: number, max: number): DraftService["ttl"] {
    const [least, most] = [Math.max(1, min), Math.min(Math.max(max, 0), TTL_SECONDS_MAX)];
    return least >= most ? `${most}s` : { min: `${least}s`, max: `${most}s` };
  }

  /** Writes it all out. */
  finish(from: string): Translation {
    const hasChecks = this.#checks.size > 0;
    const regions = Object.fromEntries([...this.#regions].map(([name, at]) => [name, { at: at ?? NOWHERE }]));
    for (const [name, at] of this.#regions) {
      const origin = this.#origins.get(name);
      if (at === null && origin !== undefined && this.#regions.size > 1)
        this.note("assumed", origin, `nothing says where ${name} stands: region ${name} is at [0, 0]`);
    }
    const first = [...this.#regions.values()].find((at) => at !== null) ?? NOWHERE;
    const sections: Readonly<Record<string, object>> = {
      node: this.node,
      geo: this.database === null ? {} : { database: this.database },
      zones: [...this.#zones.keys()],
      regions,
      vantages: hasChecks ? { local: { at: first } } : {},
      checks: Object.fromEntries(this.#checks),
      pools: Object.fromEntries(this.#pools),
      policies: Object.fromEntries(this.#policies),
      services: Object.fromEntries(this.#services),
    };
    const texts = Object.entries(sections)
      .filter(([, section]) => Object.keys(section).length > 0)
      .map(([key, section]) => textOf({ [key]: section }));
    const head = `# Translated from ${from} by \`meridian import\`. What did not go over as it was is in import-report.txt.\n`;
    const notes = this.#notes.toSorted(
      (a, b) => (a.file === b.file ? 0 : a.file < b.file ? -1 : 1) || a.line - b.line || a.column - b.column,
    );
    return { files: new Map([["meridian.yaml", [head, ...texts].join("\n")], ...this.#zones]), notes };
  }

  #fresh(name: string): string {
    const wanted = asName(name);
    for (let i = 1; ; i += 1) {
      const given = i === 1 ? wanted : `${wanted.slice(0, NAME_LENGTH_MAX - 5)}-${i}`;
      if (this.#names.has(given)) continue;
      this.#names.add(given);
      return given;
    }
  }
}

/** These one after the other; what has no translation is left out. */
export function inOrder(policies: readonly (DraftPolicy | null)[]): DraftPolicy | null {
  const all = policies.filter((policy) => policy !== null);
  return all.length < 2 ? (all[0] ?? null) : { failover: all };
}

/** A section as YAML: what is short stands in one line. */
function textOf(section: Readonly<Record<string, unknown>>): string {
  const document = new Document(section, { aliasDuplicateObjects: false });
  visit(document, {
    Collection: (_, node) => {
      if (JSON.stringify(node).length <= LINE_LENGTH_MAX) node.flow = true;
    },
  });
  if (document.contents !== null && "flow" in document.contents) document.contents.flow = false;
  return document.toString({ lineWidth: 0 });
}

/** A name that `meridian.yaml` takes: letters, digits, dots, hyphens, underscores. */
export function asName(text: string): string {
  const plain = text.replaceAll(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return plain.slice(0, NAME_LENGTH_MAX) || "unnamed";
}
