import { describe, expect, test } from "vitest";
import { RESOURCES } from "../../src/command/resources.ts";
import { type Document, documentOf, type Operation } from "../control/api/test-api.ts";
import { Node } from "../control/test-node.ts";

/** Reads that are no list: each has a command of its own. */
const OTHERS: ReadonlySet<string> = new Set([
  "/v1/agents/stream",
  "/v1/audit/verify",
  "/v1/drills/declared",
  "/v1/drills/{id}/report",
  "/v1/events",
  "/v1/profile",
  "/v1/rtt/vantages",
  "/v1/status",
]);

async function apiDocument(): Promise<Document> {
  const { desk } = await new Node().open();
  return documentOf(desk);
}

/** The schema of what an operation answers. */
function answerOf(operation: Operation | undefined): object {
  return operation?.responses["200"]?.content?.["application/json"]?.schema ?? {};
}

/** Whether a schema has something at a path; a list's items stand for it. */
function hasPath(schema: unknown, path: readonly string[]): boolean {
  if (typeof schema !== "object" || schema === null) return false;
  const [key, ...rest] = path;
  if (key === undefined) return true;
  const choices = Reflect.get(schema, "anyOf") ?? Reflect.get(schema, "oneOf");
  if (Array.isArray(choices)) return choices.some((choice) => hasPath(choice, path));
  const items = Reflect.get(schema, "items");
  if (items !== undefined) return hasPath(items, /^\d+$/.test(key) ? rest : path);
  return hasPath(Reflect.get(Reflect.get(schema, "properties") ?? {}, key), rest);
}

describe("meridian get", () => {
  test("knows every list of the API", async () => {
    const { paths } = await apiDocument();
    const lists = Object.entries(paths)
      .filter(([path, { get }]) => get !== undefined && path.startsWith("/v1/"))
      .map(([path]) => path)
      // What is below another list's entry is a list where it is not that entry.
      .filter((path) => !path.endsWith("}") && !OTHERS.has(path));
    const known = new Set(Object.values(RESOURCES).map(({ path }) => path));
    expect(lists.map((path) => path.replace(/\{[^}]+\}/, "{}")).filter((path) => !known.has(path))).toEqual(
      [],
    );
  });

  test.each(Object.entries(RESOURCES))(
    "shows of %s what the API gives",
    async (_, { path, key, columns, hasItems, of }) => {
      const { paths } = await apiDocument();
      const template = (wanted: string): string | undefined =>
        Object.keys(paths).find((candidate) => candidate.replaceAll(/\{[^}]+\}/g, "{}") === wanted);
      const schema = answerOf(paths[template(path) ?? ""]?.["get"]);
      const missing = Object.values(columns).filter((at) => !hasPath(schema, [key, ...at.split(".")]));
      expect(missing, `${path} ${JSON.stringify(schema)}`).toEqual([]);
      const parameters = paths[template(path) ?? ""]?.["get"]?.parameters ?? [];
      expect(
        parameters.map(({ name }) => name),
        "it comes in pages",
      ).toContain("limit");
      const item = template(`${path}/{}`);
      const isReadable = item !== undefined && paths[item]?.["get"] !== undefined;
      if (of === undefined) expect(hasItems !== false, "one of them can be asked for").toBe(isReadable);
    },
  );
});
