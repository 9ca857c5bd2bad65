/** Splits a master file into entries and words: lines, parentheses, comments and quotes (RFC 1035 §5.1). */

/** A word or a quoted string, with its escapes as they are written. */
export interface Word {
  /** Without its quotes. In `key="value"` the quotes around the value are left out too. */
  readonly text: string;
  /** Whether all of it stands in quotes, so that it is no name, number or `@`. */
  readonly quoted: boolean;
  readonly line: number;
  readonly column: number;
}

/** One RR or directive: the words of a line, and of the lines below it as far as parentheses go. */
export interface Entry {
  /** Whether the line starts with a blank: the owner name is the previous one's. */
  readonly startsBlank: boolean;
  /** At least one. */
  readonly words: readonly Word[];
  /** False where a problem was reported inside it, so that its words may not be what was meant. */
  readonly sound: boolean;
}

/** Takes a problem at a line and column of the file that is read. */
export type Refuse = (line: number, column: number, message: string) => void;

const tab = 0x09;
const newline = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const quote = 0x22;
const parenOpen = 0x28;
const parenClose = 0x29;
const semicolon = 0x3b;
const equals = 0x3d;
const backslash = 0x5c;

/** Reads the entries of one file in order. After a problem it goes on with the next entry. */
export class Scanner {
  readonly #text: string;
  readonly #refuse: Refuse;
  #at: number = 0;
  #line: number = 1;
  /** Offset of the first character of the line. */
  #lineStart: number = 0;
  #words: Word[] = [];
  #sound: boolean = true;

  constructor(text: string, refuse: Refuse) {
    this.#text = text.startsWith("\ufeff") ? text.slice(1) : text;
    this.#refuse = refuse;
  }

  /** The next entry that has words; null at the end of the file. */
  next(): Entry | null {
    while (this.#at < this.#text.length) {
      const startsBlank = isBlank(this.#text.charCodeAt(this.#at));
      this.#words = [];
      this.#sound = true;
      this.#readEntry();
      if (this.#words.length > 0) return { startsBlank, words: this.#words, sound: this.#sound };
    }
    return null;
  }

  #readEntry(): void {
    let open: { readonly line: number; readonly column: number } | null = null;
    while (this.#at < this.#text.length) {
      const character = this.#text.charCodeAt(this.#at);
      if (character === newline) {
        this.#at += 1;
        this.#line += 1;
        this.#lineStart = this.#at;
        if (open === null) return;
      } else if (isBlank(character)) {
        this.#at += 1;
      } else if (character === semicolon) {
        this.#skipLine();
      } else if (character === parenOpen) {
        if (open !== null)
          this.#problem(this.#at, "a parenthesis inside parentheses: close the first one before");
        open ??= { line: this.#line, column: this.#columnOf(this.#at) };
        this.#at += 1;
      } else if (character === parenClose) {
        if (open === null) this.#problem(this.#at, "a closing parenthesis without an opening one");
        open = null;
        this.#at += 1;
      } else {
        this.#readWord(character === quote);
      }
    }
    if (open !== null) {
      this.#refuse(open.line, open.column, "this parenthesis is never closed");
      this.#sound = false;
    }
  }

  #readWord(quoted: boolean): void {
    const column = this.#columnOf(this.#at);
    const text = quoted ? this.#readQuoted() : this.#readPlain();
    this.#words.push({ text, quoted, line: this.#line, column });
  }

  #readPlain(): string {
    const start = this.#at;
    while (this.#at < this.#text.length) {
      const character = this.#text.charCodeAt(this.#at);
      if (character === quote) {
        if (this.#text.charCodeAt(this.#at - 1) === equals) {
          return this.#text.slice(start, this.#at) + this.#readQuoted();
        }
        this.#problem(
          this.#at,
          'a quote inside a word: write \\" for the character, or a space before a string',
        );
        break;
      }
      if (endsWord(character)) break;
      // What is escaped does not end the word; a line end cannot be escaped.
      const isEscape = character === backslash && !isLineEnd(this.#text.charCodeAt(this.#at + 1));
      this.#at += isEscape ? 2 : 1;
    }
    this.#at = Math.min(this.#at, this.#text.length);
    return this.#text.slice(start, this.#at);
  }

  /** Reads from an opening quote past the closing one, and returns what is between. */
  #readQuoted(): string {
    const start = this.#at;
    this.#at += 1;
    while (this.#at < this.#text.length) {
      const character = this.#text.charCodeAt(this.#at);
      if (character === quote) {
        this.#at += 1;
        return this.#text.slice(start + 1, this.#at - 1);
      }
      if (isLineEnd(character)) break;
      this.#at += character === backslash && !isLineEnd(this.#text.charCodeAt(this.#at + 1)) ? 2 : 1;
    }
    // A string over several lines is far more often a forgotten quote, which would swallow the file.
    this.#problem(start, "this quote is not closed on its line");
    this.#at = Math.min(this.#at, this.#text.length);
    return this.#text.slice(start + 1, this.#at);
  }

  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #problem(at: number, message: string): void {
    this.#refuse(this.#line, this.#columnOf(at), message);
    this.#sound = false;
  }

  #columnOf(at: number): number {
    return at - this.#lineStart + 1;
  }
}

function isBlank(character: number): boolean {
  return character === space || character === tab || character === carriageReturn;
}

/** Also true at the end of the file, where there is no character (NaN). */
function isLineEnd(character: number): boolean {
  return character === newline || character === carriageReturn || Number.isNaN(character);
}

function endsWord(character: number): boolean {
  return (
    isBlank(character) ||
    character === newline ||
    character === semicolon ||
    character === parenOpen ||
    character === parenClose
  );
}
