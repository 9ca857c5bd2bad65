import { expect, test } from "vitest";
import { formatCookieSecrets, parseCookieSecrets } from "../../src/config/cookie-secrets.ts";
import { formatProblem } from "../../src/problem.ts";

const A = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const B = "445536BCD2513298075A5D379663C962";

function read(text: string): unknown {
  const { value, problems } = parseCookieSecrets("secrets", text);
  if (value === null) return problems.map(formatProblem);
  return [value.current, value.other].map((secret) => secret && Buffer.from(secret).toString("hex"));
}

test.each([
  [`${A}\n`, [A, null]],
  [A, [A, null]],
  [`# the fleet's\n\n  ${A}\r\n${B}\n`, [A, B.toLowerCase()]],
])("%j is read", (text, secrets) => {
  expect(read(text)).toEqual(secrets);
});

test.each([
  ["", ["secrets:1:1: expected a secret: 32 hexadecimal digits"]],
  ["# none\n", ["secrets:2:1: expected a secret: 32 hexadecimal digits"]],
  [
    `${A}\n  ${B}0\nxyz\n`,
    [
      "secrets:2:3: expected a secret: 32 hexadecimal digits",
      "secrets:3:1: expected a secret: 32 hexadecimal digits",
    ],
  ],
  [`${A}\n${B}\n${A}\n`, ["secrets:3:1: expected no more than two secrets: one that is used, and another"]],
])("%j has problems, none of which repeats a secret", (text, problems) => {
  expect(read(text)).toEqual(problems);
});

test.each([`${A}\n`, `${A}\n${B.toLowerCase()}\n`])("%j is written as it was read", (text) => {
  const { value } = parseCookieSecrets("secrets", text);
  expect(formatCookieSecrets(value!)).toBe(text);
});
