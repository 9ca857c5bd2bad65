import { expect, test } from "vitest";
import { withSection } from "../../bench/document.ts";

const DOCUMENT =
  "# Figures\n<!-- begin a -->\nold\n<!-- end a -->\nprose\n<!-- begin b -->\n<!-- end b -->\n";

test("a section is replaced between its marks, and again", () => {
  const once = withSection(DOCUMENT, "a", "new", "figures.md");
  expect(once).toBe(DOCUMENT.replace("old", "new"));
  expect(withSection(once, "a", "newer", "figures.md")).toBe(DOCUMENT.replace("old", "newer"));
});

test("an empty section is filled", () => {
  expect(withSection(DOCUMENT, "b", "new", "figures.md")).toContain("<!-- begin b -->\nnew\n<!-- end b -->");
});

test("a document without the section is an error that shows the marks", () => {
  expect(() => withSection(DOCUMENT, "c", "new", "figures.md")).toThrow(
    'Cannot write section c of figures.md: expected lines "<!-- begin c -->" and "<!-- end c -->"',
  );
});
