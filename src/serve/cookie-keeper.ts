/** Keeps the secrets of DNS Cookies: in a file that outlives us, and in the memory that threads share. */

import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, type Stats, statSync, writeFileSync } from "node:fs";
import { installSecrets, newSecretMemory, SECRET_LENGTH } from "../answer/cookie.ts";
import { type CookieSecrets, formatCookieSecrets, parseCookieSecrets } from "../config/cookie-secrets.ts";
import { formatProblem } from "../problem.ts";

/** Where the secrets are, and who looks after them. */
export interface CookieKeeperOptions {
  readonly path: string;
  /** Whether we make the file, and new secrets in time; else an operator does, for several nodes at once. */
  readonly isOwn: boolean;
  /** The file has become unusable, and the secrets stay as they were. */
  readonly onProblem: (message: string) => void;
  /** How often the file is looked at. */
  readonly pollMs?: number;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A secret is not to be used for more than 36 days (RFC 7873 §7.1); 26 hours let it change at another hour each day. */
const ROLL_MS = 26 * 3_600_000;
const POLL_MS = 5_000;

/** The one writer of the secrets that threads share. */
export class CookieKeeper {
  readonly memory: SharedArrayBuffer = newSecretMemory();
  readonly #options: CookieKeeperOptions;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #secrets: CookieSecrets;
  /** What the file looked like when it was last read; empty: it never was. */
  #seen = "";
  /** What was told last, so that a full disk is told once and not at each look. */
  #problem = "";

  /** While the file cannot be used, or our own not be made, a secret counts that nobody else knows: clients ask for new cookies. */
  constructor(options: CookieKeeperOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#secrets = { current: newSecret(), other: null };
    this.#install();
    this.#look();
    this.#timer = setInterval(() => this.#look(), options.pollMs ?? POLL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Takes over what was written, makes a file that is missing, and a new secret in time. */
  #look(): void {
    const { path, isOwn } = this.#options;
    try {
      if (isOwn && !existsSync(path)) this.#write(this.#secrets);
      const stats = statSync(path);
      if (appearance(stats) !== this.#seen) this.#reload(stats);
      else if (isOwn && this.#now() - stats.mtimeMs >= ROLL_MS) this.#roll();
      this.#problem = "";
    } catch (cause) {
      const problem = `Cannot use cookie secrets ${path}: ${String(cause)}`;
      if (problem !== this.#problem) this.#options.onProblem(problem);
      this.#problem = problem;
    }
  }

  #reload(stats: Stats): void {
    this.#secrets = this.#read();
    this.#seen = appearance(stats);
    this.#install();
  }

  /** The secret before still checks what clients hold. */
  #roll(): void {
    const secrets = { current: newSecret(), other: this.#secrets.current };
    this.#write(secrets);
    this.#secrets = secrets;
    this.#install();
  }

  /** Throws with all problems of the file. */
  #read(): CookieSecrets {
    const { path } = this.#options;
    const { value, problems } = parseCookieSecrets(path, readFileSync(path, "utf8"));
    if (value === null) throw new Error(problems.map(formatProblem).join("; "));
    return value;
  }

  /** A file that nobody else can read, and nobody sees half written. */
  #write(secrets: CookieSecrets): void {
    const { path } = this.#options;
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, formatCookieSecrets(secrets), { mode: 0o600 });
    renameSync(draft, path);
  }

  #install(): void {
    installSecrets(this.memory, this.#secrets.current, this.#secrets.other);
  }
}

/** Differs between two states of a file. */
function appearance({ ino, mtimeMs, size }: Stats): string {
  return `${ino} ${mtimeMs} ${size}`;
}

function newSecret(): Uint8Array {
  return randomBytes(SECRET_LENGTH);
}
