/** `meridian simulate`: asks a node what a change would do to its traffic. */

import { join } from "node:path";
import { CONFIG_FILE } from "../control/config-file.ts";
import { readIfThere } from "../control/files.ts";
import { type ApiOptions, postToApi, printAnswer } from "./api-call.ts";
import { complain } from "./console.ts";

/** Prints what would become of the traffic; `folder` null: with the config that runs. */
export async function simulate(
  folder: string | null,
  options: ApiOptions & {
    readonly if: readonly string[];
    readonly since?: string;
    readonly even?: boolean;
    readonly json?: boolean;
  },
): Promise<void> {
  const file = folder === null ? null : join(folder, CONFIG_FILE);
  const config = file === null ? undefined : readIfThere(file);
  if (config === null) return complain(`Cannot read ${file}: expected a config to try`);
  const { if: supposed, since, even } = options;
  const answer = await postToApi("/v1/simulate", { config, if: supposed, since, even }, options);
  if (answer !== null) printAnswer(answer, options.json === true);
}
