/** What is wrong in something an operator wrote, and where; and what a thrown value says is wrong. */

/** One mistake: its place and, in one sentence without a full stop, what was found and what would be right. */
export interface Problem {
  /** The file as the operator named it, or "request" for an API body. */
  readonly file: string;
  /** 1-based; 0 where the whole file is meant. */
  readonly line: number;
  /** 1-based; 0 where the whole line is meant. */
  readonly column: number;
  readonly message: string;
  /** Lines that show it: the counterexample to a rule. */
  readonly details?: readonly string[];
}

/** A parsed input with all its problems. The value is null when it cannot be used at all. */
export interface Checked<T> {
  readonly value: T | null;
  readonly problems: readonly Problem[];
}

/** A mistake in a request, which has no file and no line. */
export function inRequest(message: string): Problem {
  return { file: "request", line: 0, column: 0, message };
}

/** `file:line:column: message`, the form editors can jump to; details are indented below. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== 0).join(":");
  return [`${place}: ${problem.message}`, ...(problem.details ?? [])].join("\n    ");
}

/** What a thrown value says, without the name of its class. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
