/** The API of a whole node over real HTTP; every response is held against what the OpenAPI document promises. */

import { pino } from "pino";
import { Compile } from "typebox/schema";
import { expect, onTestFinished } from "vitest";
import type { NodeConfig } from "../../../src/config/node.ts";
import { type ApiLimits, buildApi, startApi } from "../../../src/control/api/server.ts";
import type { Desk } from "../../../src/control/desk.ts";
import type { Role } from "../../../src/control/store.ts";
import { Node } from "../test-node.ts";

/** The part of an OpenAPI document that tests look at. */
export interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, unknown>>;
    readonly responses: { readonly problem: Response };
  };
  readonly security: readonly unknown[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Content };
  readonly operationId?: string;
  /** `default` refers to the one problem that all share. */
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly description: string;
  readonly content?: Content;
}

type Content = Readonly<Record<string, { readonly schema: object; readonly example?: unknown }>>;

export interface Result {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape; the schemas are checked before
  readonly body: any;
}

export interface Line {
  readonly level: number;
  readonly msg: string;
}

let cached: Document | null = null;

/** The OpenAPI document; it is the same for every desk. */
export async function documentOf(desk: Desk): Promise<Document> {
  if (cached !== null) return cached;
  const app = await buildApi(desk, { apiTls: null }, pino({ level: "silent" }));
  const { body } = await app.inject("/docs/json");
  await app.close();
  const document: Document = JSON.parse(body);
  cached = document;
  return document;
}

/** Every route as `GET /v1/status`. */
export function routesOf(document: Document): readonly string[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

export class TestApi {
  readonly node: Node;
  readonly url: string;
  readonly close: () => Promise<void>;
  readonly tokens: Readonly<Record<Role, string>>;
  readonly logged: Line[];
  readonly #document: Document;

  private constructor(
    node: Node,
    url: string,
    close: () => Promise<void>,
    tokens: Readonly<Record<Role, string>>,
    document: Document,
    logged: Line[],
  ) {
    this.node = node;
    this.url = url;
    this.close = close;
    this.tokens = tokens;
    this.logged = logged;
    this.#document = document;
  }

  /** Opens a node and its API; `amend` replaces parts of the node's config, `limits` those of connections. The log goes to `logged`. */
  static async open(
    node: Node = new Node(),
    amend: Partial<NodeConfig> = {},
    limits?: ApiLimits,
    logged: Line[] = [],
  ): Promise<TestApi> {
    const { desk } = await node.open();
    const log = pino({ level: "debug" }, { write: (line) => void logged.push(JSON.parse(line)) });
    const running = await startApi(desk, { ...desk.snapshot().config.node, ...amend }, log, limits);
    onTestFinished(() => running.close());
    const url = (await running.listening) ?? "";
    const tokens = {
      admin: await node.addToken("anna", { role: "admin" }),
      reader: await node.addToken("rita", { role: "reader" }),
      operator: await node.addToken("olga", { role: "operator" }),
      observer: await node.addToken("otto", { role: "observer" }),
      agent: await node.addToken("agent-dublin", { role: "agent", vantage: "dublin" }),
      signals: await node.addToken("lb-1", { role: "signals", pools: ["web"] }),
    };
    return new TestApi(node, url, running.close, tokens, await documentOf(desk), logged);
  }

  get(path: string, role: Role | null = "reader"): Promise<Result> {
    return this.call("GET", path, { role });
  }

  post(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Result> {
    return this.call("POST", path, { body, headers });
  }

  delete(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Result> {
    return this.call("DELETE", path, { headers });
  }

  /** As admin, unless another role, or nobody, is said. */
  async call(
    method: string,
    path: string,
    {
      role = "admin",
      body,
      headers = {},
    }: { role?: Role | null; body?: unknown; headers?: Readonly<Record<string, string>> },
  ): Promise<Result> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(role === null ? {} : { authorization: `Bearer ${this.tokens[role]}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    const [type = ""] = response.headers.get("content-type")?.split(";") ?? [];
    const isJson = /^application\/(problem\+)?json$/.test(type);
    const result = {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : text,
    };
    if (isJson) this.#expectPromised(method, path, type, result);
    return result;
  }

  /** The body is what the document says of this route and status; where there is no route, what it says of errors. */
  #expectPromised(method: string, path: string, type: string, { status, body }: Result): void {
    const wanted = path.split("?", 1)[0] ?? "";
    const found = Object.entries(this.#document.paths).find(([template]) => matches(template, wanted));
    const responses = found?.[1][method.toLowerCase()]?.responses;
    const response = responses?.[String(status)] ?? this.#document.components.responses.problem;
    const schema = response.content?.[type]?.schema;
    expect(schema, `${method} ${path} ${status} has a schema for ${type}`).toBeDefined();
    if (schema === undefined) return;
    expect(Compile(schema).Errors(body), `${method} ${path} ${status}`).toEqual([true, []]);
  }
}

function matches(template: string, path: string): boolean {
  const pattern = template.replaceAll(".", "\\.").replaceAll(/\{[^}]+\}/g, "[^/]+");
  return new RegExp(`^${pattern}$`).test(path);
}
