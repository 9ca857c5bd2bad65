/** `meridian snapshots`: the sets of files that came into force on a node. */

import { type ApiOptions, getFromApi, getListFromApi, printAnswer } from "./api-call.ts";
import { print, printTable } from "./console.ts";

/** A snapshot as the API lists it. */
interface ListedSnapshot {
  readonly version: number;
  readonly at: string | null;
  readonly author: string | null;
  readonly reason: string | null;
  readonly inForce: boolean;
}

/** Prints a line for each, the newest first. */
export async function listSnapshots(options: ApiOptions & { readonly json?: boolean }): Promise<void> {
  const snapshots = (await getListFromApi("/v1/snapshots", "snapshots", options)) as
    | readonly ListedSnapshot[]
    | null;
  if (snapshots === null) return;
  if (options.json === true) return print(JSON.stringify(snapshots, null, 2));
  printTable(
    ["version", "at", "by", "why", ""],
    snapshots.map(({ version, at, author, reason, inForce }) => [
      String(version),
      at ?? "long ago",
      author ?? "-",
      reason ?? "-",
      inForce ? "in force" : "",
    ]),
  );
}

/** Prints what makes one version into another. */
export async function diffSnapshots(
  from: string,
  to: string,
  options: ApiOptions & { readonly text?: boolean; readonly json?: boolean },
): Promise<void> {
  const path = `/v1/snapshots/${encodeURIComponent(from)}/diff/${encodeURIComponent(to)}`;
  const answer = await getFromApi(path, options);
  if (answer === null) return;
  if (options.text !== true || options.json === true) return printAnswer(answer, options.json === true);
  const { diff } = answer as { readonly diff: { readonly files: readonly { readonly diff: string }[] } };
  for (const file of diff.files) print(file.diff.trimEnd());
}
