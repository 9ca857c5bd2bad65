import { expect, test } from "vitest";
import { printable } from "../../src/command/console.ts";

test("what a terminal would obey is not printed", () => {
  expect(printable("down: \u001b[2J\u009b1m\u0007\r\b\u007f")).toBe(
    "down: \ufffd[2J\ufffd1m\ufffd\ufffd\ufffd\ufffd",
  );
  expect(printable("two\tcolumns\nand a line: é, 東京, \u{1f600}")).toBe(
    "two\tcolumns\nand a line: é, 東京, \u{1f600}",
  );
});
