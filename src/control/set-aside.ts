/** Gives a file that cannot be used another name, under which it stays for who wants to look at it. */

import { existsSync, linkSync, renameSync } from "node:fs";

/** A name that no file has, as in `meridian.db.corrupt-2026-01-01T00-00-00Z`. */
export function freeName(path: string, what: string, nowMs: number): string {
  const name = `${path}.${what}-${new Date(nowMs).toISOString().slice(0, 19).replaceAll(":", "-")}Z`;
  for (let i = 2; ; i += 1) {
    const candidate = i === 2 ? name : `${name}-${i - 1}`;
    if (!existsSync(candidate)) return candidate;
  }
}

/** Gives a file that name. It keeps the old one too, for who needs a file there until the next one has it. */
export function setAside(path: string, aside: string): void {
  try {
    linkSync(path, aside);
  } catch {
    // Not every file system has links, nor are they allowed to every file.
    renameSync(path, aside);
  }
}
