/** `meridian snapshots`: the sets of files that came into force on a node. */

import { type ApiOptions, getFromApi, printAnswer } from "./api-call.ts";
import { print } from "./console.ts";
import { get } from "./get.ts";

/** Prints a line for each, the newest first. */
export async function listSnapshots(options: ApiOptions & { readonly json?: boolean }): Promise<void> {
  await get("snapshots", null, { ...options, where: [] });
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
