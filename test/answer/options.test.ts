import { expect, test } from "vitest";
import { answerOptionsOf, defaultAnswerOptions } from "../../src/answer/options.ts";
import { configOf, small } from "../config/fixture.ts";

const means = { secrets: new SharedArrayBuffer(8), table: new SharedArrayBuffer(16), seed: 7 };

test.each([
  ["nothing", "", {}],
  ["a node's identifier", "nsid: ams-1", { nsid: Buffer.from("ams-1") }],
  ["cookies that are off", "cookies: { mode: off }", { cookies: null }],
  [
    "cookies that are required",
    "cookies: { mode: require }",
    { cookies: { secrets: means.secrets, required: true } },
  ],
  [
    "a limit of responses",
    "rateLimit: { answers: 20 }",
    { rateLimit: { answers: 20, table: means.table, seed: 7 } },
  ],
  ["one query of ten sampled", "profile: { sample: 10 }", { sampleEvery: 10 }],
  ["no query sampled", "profile: { sample: 0 }", { sampleEvery: 1 }],
])("%s is what the config says", (_, line, expected) => {
  const { node } = configOf(`${small}node: { ${line} }\n`);
  const cookies = { secrets: means.secrets, required: false };
  const usual = { ...defaultAnswerOptions, cookies, sampleEvery: 100 };
  expect(answerOptionsOf(node, means)).toMatchObject({ ...usual, ...expected });
});
