/** Compiles the C programs of the bench: the echo to compare with, and the load generator. */

import { execFileSync } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Where the compiled programs are. */
export interface Programs {
  readonly echo: string;
  readonly generator: string;
}

const BUILD = join(import.meta.dirname, "build");

/** Compiles what is older than its source; throws an error that says what is missing. */
export function buildPrograms(): Programs {
  mkdirSync(BUILD, { recursive: true });
  return { echo: compile("echo"), generator: compile("generator") };
}

function compile(name: string): string {
  const source = join(import.meta.dirname, `${name}.c`);
  const program = join(BUILD, name);
  if (changedMs(program) >= changedMs(source)) return program;
  try {
    execFileSync("cc", ["-O2", "-o", program, source], { stdio: ["ignore", "inherit", "inherit"] });
  } catch (cause) {
    throw new Error(
      `Cannot compile ${source} with cc: expected a C compiler, on Debian "apt-get install gcc libc6-dev"`,
      { cause },
    );
  }
  return program;
}

/** When a file was last written; 0: it is not there. */
function changedMs(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
