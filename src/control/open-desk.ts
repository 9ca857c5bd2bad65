/** Opens a node's desk with the files that count, or, while these cannot be used, with those that were in force before. */

import { isDeepStrictEqual } from "node:util";
import { formatProblem, type Problem } from "../problem.ts";
import { AppliedFiles } from "./applied.ts";
import { MERIDIAN } from "./author.ts";
import { type FilesBefore, filesBefore } from "./files-before.ts";
import { inTurns } from "./in-turns.ts";
import { Node, type NodeOptions } from "./node.ts";
import type { NodeDesk } from "./node-desk.ts";
import { type Loaded, Loader } from "./snapshot.ts";
import { FileWatcher } from "./watch.ts";

/** So long after files that are sound could not be put in force that is tried again. */
const BEGIN_AGAIN_MS = 10_000;

/** Where files come from. */
interface Sources {
  readonly loader: Loader;
  readonly applied: AppliedFiles;
}

/**
 * Opens the desk once a first book is in force. While neither the files that count nor those of before can be used it waits for a change;
 * dns answers from its last book meanwhile.
 */
export async function openDesk(options: NodeOptions): Promise<NodeDesk> {
  const { configFolder, stateFolder, log, publisher } = options;
  await publisher.greeted;
  let said: readonly Problem[] = [];
  for (;;) {
    const applied = new AppliedFiles(stateFolder);
    const loader = new Loader(configFolder, applied);
    const loaded = await inTurns(loader.loadInSteps());
    if (applied.problem !== null) log.error(formatProblem(applied.problem));
    const begun = await begin(options, { loader, applied }, loaded, []);
    if (begun instanceof Node) return begun.desk;
    const desk = await beginAsBefore(options, { loader, applied }, loaded, begun);
    if (desk !== null) return desk;
    if (!isDeepStrictEqual(begun, said))
      log.error(
        { problems: begun.map(formatProblem) },
        "the files cannot be used; waiting until they change",
      );
    said = begun;
    // What is sound may have met with a disk that is full.
    await changeOf(loaded, loaded.value === null ? null : BEGIN_AGAIN_MS);
  }
}

/** The node, or what is against these files. */
async function begin(
  options: NodeOptions,
  sources: Sources,
  loaded: Loaded,
  refused: readonly Problem[],
): Promise<Node | readonly Problem[]> {
  if (loaded.value === null) return loaded.problems;
  const node = new Node(options, { ...sources, first: loaded.value });
  const outcome = await node.begin(loaded, refused);
  if (outcome.kind === "published") return node;
  await node.desk.close();
  return outcome.kind === "refused" ? outcome.problems : [];
}

/**
 * A start changes nothing by itself: what was in force goes on while what should be cannot be used. null: that cannot either, or is not what
 * dns answers by, as when a disk that was full has kept it from being stored.
 */
async function beginAsBefore(
  options: NodeOptions,
  sources: Sources,
  failed: Loaded,
  problems: readonly Problem[],
): Promise<NodeDesk | null> {
  const { log, publisher, stateFolder } = options;
  const before = await filesBefore(stateFolder);
  const served = publisher.versionServed;
  if (before === null || (served > 0 && served !== before.version)) return null;
  const found = await inTurns(sources.loader.loadBeforeInSteps(before.files, stateFolder));
  // The others are read again as soon as one of them changes.
  const loaded = { ...found, stamps: new Map([...found.stamps, ...failed.stamps]) };
  if (loaded.value === null) return null;
  const { problem } = sources.applied;
  const spoiled = problem !== null && problems.includes(problem) ? problem : null;
  const warning = spoiled && (await replaceSpoiled(options, sources, before, spoiled));
  const begun =
    warning === null
      ? await begin(options, sources, loaded, problems)
      : await begin(options, sources, { ...loaded, warnings: [...loaded.warnings, warning] }, []);
  if (!(begun instanceof Node)) return null;
  log.error(
    { problems: problems.map(formatProblem) },
    `the files cannot be used; those of version ${before.version}, which were in force before, still are`,
  );
  return begun.desk;
}

/** Has the files of before take the place of those that were applied and cannot be read. null: that cannot be written now. */
async function replaceSpoiled(
  { log, nowMs }: NodeOptions,
  { applied }: Sources,
  { version, files }: FilesBefore,
  problem: Problem,
): Promise<Problem | null> {
  const by = {
    kind: "applied",
    version,
    author: MERIDIAN,
    reason: "what was applied was not as it was written",
    atMs: nowMs(),
  } as const;
  try {
    const aside = await applied.replaceSpoiled(by, files.texts);
    const message = `was not as it was written, and is kept as ${aside}: version ${version}, which was in force, is in its place`;
    return { ...problem, message };
  } catch (cause) {
    log.error({ cause: String(cause) }, `${problem.file} is left as it is until files are applied`);
    return null;
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
