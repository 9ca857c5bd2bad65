/** How commands speak: results to standard output, problems to standard error. */

import { formatProblem, type Problem } from "../problem.ts";

/** Writes a line of the command's result. */
export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

/** A text without what a terminal would obey: agents, and servers that they probe, say what they like. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all but tabs and line feeds is what must not come through
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
}

// A reader that has seen enough, as `head` does, closes the pipe: that is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

/** Writes rows under their headings, each column as wide as its widest cell. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const table = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** A duration: `12.5s`; `-` where there is none. */
export function seconds(ms: number | null): string {
  return ms === null ? "-" : `${Math.round(ms) / 1_000}s`;
}

/** A part of a whole: `66.7 %`; `-` where it is not known. */
export function percent(part: number | null): string {
  return part === null ? "-" : `${Math.round(part * 1_000) / 10} %`;
}

/** `1 zone`, `2 zones`. */
export function plural(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

/** Writes a message for the operator, and makes the command end with status 1. */
export function complain(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
  process.exitCode = 1;
}

/** Writes problems, one a line, in the form that editors jump to. */
export function complainOf(problems: readonly Problem[]): void {
  for (const problem of problems) complain(formatProblem(problem));
  complain(plural(problems.length, "problem"));
}
