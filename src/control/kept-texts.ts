/** Keeps the texts of the files in force, so that what they said can be read when they have been edited since. */

import { hash } from "node:crypto";
import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import { FileReader, type FileSource, type FileStamp } from "./files.ts";
import type { HistoryStore, PastFiles } from "./history.ts";
import type { LoadedFiles } from "./recorder.ts";

const compress = promisify(deflateRaw);
const decompress = promisify(inflateRaw);

/** What the files of a version said, by path; a string says which of them is not kept. */
export async function readTexts(
  store: Pick<HistoryStore, "text">,
  files: PastFiles,
): Promise<ReadonlyMap<string, string> | string> {
  const found = new Map<string, string>();
  for (const [path, wanted] of Object.entries(files.texts)) {
    const kept = wanted === null ? null : store.text(wanted);
    const octets = kept === null ? null : await decompress(kept);
    if (octets === null || hash("sha256", octets) !== wanted) return path;
    found.set(path, octets.toString("utf8"));
  }
  return found;
}

interface KeptText {
  readonly stamp: FileStamp;
  /** SHA-256; null: it has been edited again before it could be read. */
  readonly hash: string | null;
}

/** Each text is kept once, whatever the number of versions that it is in. */
export class KeptTexts {
  readonly #store: HistoryStore;
  #inForce: ReadonlyMap<string, KeptText> = new Map();
  /** By hash, what is not kept yet. */
  readonly #fresh = new Map<string, Uint8Array>();

  constructor(store: HistoryStore) {
    this.#store = store;
  }

  /** Takes note of the files that are in force from now on. Returns the hash of each; those that stayed are not read again. */
  use({ texts, source }: Pick<LoadedFiles, "texts" | "source">): Readonly<Record<string, string | null>> {
    const before = this.#inForce;
    this.#inForce = new Map(
      Array.from(texts, ([path, stamp]) => {
        const known = before.get(path);
        return [path, known?.stamp === stamp ? known : this.#read(source, path, stamp)];
      }),
    );
    return Object.fromEntries(Array.from(this.#inForce, ([path, { hash }]) => [path, hash]));
  }

  /** None is kept any more, so that those that are used next are all read again. */
  forget(): void {
    this.#inForce = new Map();
  }

  /** Keeps what is not kept yet. */
  async keep(nowMs: number): Promise<void> {
    for (const [hash, octets] of this.#fresh) {
      if (!this.#store.touchText(hash, nowMs)) this.#store.keepText(hash, await compress(octets), nowMs);
      this.#fresh.delete(hash);
    }
  }

  /** Says that those in force still are: each is kept for so long after it was for the last time. */
  touch(nowMs: number): void {
    for (const { hash } of this.#inForce.values()) if (hash !== null) this.#store.touchText(hash, nowMs);
  }

  #read(source: FileSource, path: string, stamp: FileStamp): KeptText {
    const reader = new FileReader(source);
    const octets = reader.bytes(path);
    if (octets === null || reader.stamp(path) !== stamp) return { stamp, hash: null };
    const text = { stamp, hash: hash("sha256", octets) };
    this.#fresh.set(text.hash, octets);
    return text;
  }
}
