/** `meridian apply`: sends a folder's config, zones and labels to a node, once it has been seen what they change. */

import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { declaredTexts } from "../control/check-folder.ts";
import { type ApiOptions, askApi, printAnswer } from "./api-call.ts";
import { complain, complainOf, print } from "./console.ts";

/** What ends a command that only looks, as `terraform plan -detailed-exitcode` and `diff` in CI do. */
const DIFFERENCES = 2;

interface ConsentOptions extends ApiOptions {
  /** Nobody is asked. */
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface ApplyOptions extends ConsentOptions {
  readonly folder: string;
  readonly reason?: string;
  readonly planOnly?: boolean;
}

/** What a change came to. */
interface ChangeAnswer {
  readonly version: number;
  /** It waits for a second person. */
  readonly proposal?: { readonly url: string };
}

/** What of a preview commands look at. */
interface PreviewAnswer {
  readonly version: number;
  readonly diff: { readonly files: readonly unknown[] };
}

/** Shows what would change, asks, and has it changed, unless something else has changed meanwhile. */
export async function apply(options: ApplyOptions): Promise<void> {
  const { folder, planOnly, force } = options;
  const { value: files, problems } = declaredTexts(folder);
  if (files === null) return complainOf(problems);
  const reason = options.reason ?? commitOf(folder);
  if (reason === null && planOnly !== true)
    return complain("Say why with --reason: the folder is in no git repository that could");
  const made = await previewed({ files }, options);
  if (made === null) return;
  const isDifferent = made.diff.files.length > 0;
  if (planOnly === true || !isDifferent) {
    if (isDifferent) process.exitCode = DIFFERENCES;
    return tell(made, null, options);
  }
  const body = { files, reason, force };
  await change(made, () => askApi("PUT", "/v1/config", body, options, made.version), options);
}

/** The same for what a snapshot said; null: for the files on disk, after a rollback, without a look at them before. */
export async function rollBack(
  version: string | null,
  options: ConsentOptions & { readonly reason: string },
): Promise<void> {
  const { reason, force } = options;
  if (version === null) {
    const query = new URLSearchParams({ reason, ...(force === true ? { force: "true" } : {}) });
    const ended = await askApi("DELETE", `/v1/rollback?${query}`, null, options);
    if (ended !== null)
      print(options.json === true ? JSON.stringify(ended) : "the files on disk are in force");
    return;
  }
  const made = await previewed({ snapshot: Number(version) }, options);
  if (made === null) return;
  const path = `/v1/snapshots/${encodeURIComponent(version)}/rollback`;
  await change(made, () => askApi("POST", path, { reason, force }, options, made.version), options);
}

async function previewed(proposed: object, options: ConsentOptions): Promise<PreviewAnswer | null> {
  const answer = (await askApi("POST", "/v1/preview", proposed, options)) as PreviewAnswer | null;
  if (answer !== null && options.json !== true) printAnswer(answer, false);
  return answer;
}

async function change(
  made: PreviewAnswer,
  ask: () => Promise<object | null>,
  options: ConsentOptions,
): Promise<void> {
  if (!(await isWanted(options.yes === true))) return;
  const answer = (await ask()) as ChangeAnswer | null;
  if (answer === null) return;
  if (answer.proposal === undefined) return tell(made, answer.version, options);
  tell(made, null, options);
  complain(`It waits for a second person to approve ${answer.proposal.url}`);
}

/** In JSON one object says both what was previewed and what has become of it; null: nothing. */
function tell(made: PreviewAnswer, version: number | null, { json }: ConsentOptions): void {
  if (json === true) print(JSON.stringify({ ...made, applied: version }, null, 2));
  else if (version !== null) print(`version ${version} is in force`);
}

/** Nobody can be asked where there is no terminal. */
async function isWanted(isYes: boolean): Promise<boolean> {
  if (isYes) return true;
  if (!process.stdin.isTTY) {
    complain("Nothing was changed: without a terminal to ask, it takes --yes");
    return false;
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question("Put this in force? Only yes does: ");
  terminal.close();
  if (answer.trim() === "yes") return true;
  complain("Nothing was changed");
  return false;
}

/** The last commit of the repository that a folder is in, and whether there is more than it; null: it is in none. */
function commitOf(folder: string): string | null {
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", resolve(folder), ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    const commit = git("log", "-1", "--format=commit %h: %s");
    const more = git("status", "--porcelain", "--", ".") === "" ? "" : ", and what is not committed";
    return `${commit.slice(0, 400)}${more}`;
  } catch {
    return null;
  }
}
