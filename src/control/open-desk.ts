/** Opens the desk of a node once there are files that can be put in force. */

import { isDeepStrictEqual } from "node:util";
import { formatProblem, type Problem } from "../problem.ts";
import { AppliedFiles } from "./applied.ts";
import { inTurns } from "./in-turns.ts";
import { Node, type NodeOptions } from "./node.ts";
import type { NodeDesk } from "./node-desk.ts";
import { type Loaded, Loader } from "./snapshot.ts";
import { FileWatcher } from "./watch.ts";

/** So long after files that are sound could not be put in force that is tried again. */
const BEGIN_AGAIN_MS = 10_000;

/**
 * Opens the desk once a first book is in force. Until the files are sound it waits for them to change; dns answers from
 * its last book meanwhile.
 */
export async function openDesk(options: NodeOptions): Promise<NodeDesk> {
  const { configFolder, log, publisher } = options;
  await publisher.greeted;
  let said: readonly Problem[] = [];
  for (;;) {
    const applied = new AppliedFiles(options.stateFolder);
    if (applied.problem !== null) log.error(formatProblem(applied.problem));
    const loader = new Loader(configFolder, applied);
    const loaded = await inTurns(loader.loadInSteps());
    let { problems } = loaded;
    if (loaded.value !== null) {
      const node = new Node(options, { loader, applied, first: loaded.value });
      const outcome = await node.begin(loaded);
      if (outcome.kind === "published") return node.desk;
      await node.desk.close();
      if (outcome.kind === "refused") problems = outcome.problems;
    }
    if (!isDeepStrictEqual(problems, said))
      log.error(
        { problems: problems.map(formatProblem) },
        "the files cannot be used; waiting until they change",
      );
    said = problems;
    // What is sound may have met with a disk that is full.
    await changeOf(loaded, loaded.value === null ? null : BEGIN_AGAIN_MS);
  }
}

/** Settles when a file that was asked for has changed, or after so long; null: no sooner. */
function changeOf({ stamps }: Loaded, atLatestMs: number | null): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      watcher.close();
      resolve();
    };
    const watcher = new FileWatcher({ onChange: settle });
    watcher.watch(stamps);
    const timer = atLatestMs === null ? undefined : setTimeout(settle, atLatestMs);
  });
}
