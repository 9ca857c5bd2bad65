/** The API's description of itself: OpenAPI at `/docs/json`, pages to read and try it at `/docs`. */

import { readFileSync } from "node:fs";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { Access, Api } from "./api.ts";
import { ALLOWED } from "./auth.ts";

/** What the pages may load: their own files, and the styles that Swagger UI writes into the page. */
const PAGES_CSP = {
  "default-src": "'self'",
  "base-uri": "'self'",
  "frame-ancestors": "'none'",
  "img-src": ["'self'", "data:"],
  "object-src": "'none'",
  "style-src": ["'self'", "'unsafe-inline'"],
};

const JSON_TYPE = "application/json";

/** What routes are about. */
const TAGS: Readonly<Record<string, string>> = {
  alarms: "What is wrong, and who is told.",
  agents: "Where agents report.",
  audit: "Who did what.",
  challenges: "ACME challenges, answered as TXT RRs.",
  config: "What is declared.",
  drills: "Rehearsed failures, and what came of them.",
  events: "What happens, as it happens.",
  facts: "What changes by itself.",
  health: "For load balancers and supervisors.",
  keys: "Keys of signed zones.",
  node: "The node itself.",
  overrides: "An operator's word that wins over facts and config.",
  problems: "What can go wrong.",
  proposals: "Changes that wait for a second person.",
  rtt: "Round-trip times of clients.",
  services: "Steered names.",
  snapshots: "Files that came into force.",
  tokens: "Who may do what.",
  zones: "Zones and their RRsets.",
};

/** Where the document has the response that all routes share. */
const PROBLEM_REF = { $ref: "#/components/responses/problem" };

/** The part of an operation that is amended when all are known. */
interface Operation {
  readonly operationId?: string;
  readonly requestBody?: { readonly content?: Content };
  responses: Record<string, { readonly content?: Content; readonly $ref?: string }>;
}

type Content = Readonly<Record<string, { example?: unknown; examples?: unknown }>>;

/** What was sent to a node and what it answered, by operation; `test/control/api/examples.test.ts` holds it against a node. */
interface Example {
  readonly request?: unknown;
  readonly status: number;
  readonly response?: unknown;
}

const EXAMPLES: Readonly<Record<string, Example>> = JSON.parse(
  readFileSync(new URL("./examples.json", import.meta.url), "utf8"),
);

/** Describes every route that is added from now on. */
export async function describeRoutes(app: Api): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Meridian",
        version: "1",
        description:
          "What a node knows, and what operators may change. Whatever goes wrong is told as problem details (RFC 9457).",
      },
      components: {
        securitySchemes: {
          token: {
            type: "http",
            scheme: "bearer",
            description: "A token of `meridian token add`, or of POST /v1/tokens.",
          },
        },
      },
      security: [{ token: [] }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    },
    transform: ({ schema, url, route }) => {
      const access = route.config?.access ?? "public";
      const security = access === "public" ? { security: [] } : {};
      const operationId = operationIdOf(String(route.method), url);
      return { schema: { ...schema, operationId, description: whoMayUse(access), ...security }, url };
    },
    transformObject: (document) =>
      "openapiObject" in document ? withExamples(shareProblems(document.openapiObject)) : {},
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: PAGES_CSP,
    uiConfig: { persistAuthorization: false, tryItOutEnabled: true },
  });
}

/** Who may use a route, in words. */
function whoMayUse(access: Access): string {
  if (access === "public") return "No token is needed.";
  return `For tokens of ${ALLOWED[access].length === 1 ? "the role" : "the roles"} ${ALLOWED[access].join(", ")}.`;
}

/** `GET /v1/zones/:id/rrsets` is `getZonesByIdRrsets`: stable names for the functions of generated clients. */
function operationIdOf(method: string, url: string): string {
  const words = url
    .replace(/^\/v1/, "")
    .split(/[/-]/)
    .filter((part) => part !== "")
    .map((part) => (part.startsWith(":") ? `By${capital(part.slice(1))}` : capital(part)));
  return `${method.toLowerCase()}${words.join("")}`;
}

function withExamples<D extends { paths?: object }>(document: D): D {
  const paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = { ...document.paths };
  for (const operation of Object.values(paths).flatMap((operations) => Object.values(operations))) {
    const { operationId = "", requestBody, responses } = operation;
    const example = EXAMPLES[operationId];
    if (example === undefined) continue;
    const { request, status, response } = example;
    const [asked, answered] = [requestBody?.content?.[JSON_TYPE], responses[status]?.content?.[JSON_TYPE]];
    if (asked !== undefined && request !== undefined) {
      // There is one or the other, and this one was tried.
      delete asked.examples;
      asked.example = request;
    }
    if (answered !== undefined && response !== undefined) answered.example = response;
  }
  return document;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** Has every operation refer to one response for what goes wrong, so that clients get one type for it. */
function shareProblems<D extends { paths?: object; components?: object }>(document: D): D {
  const paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = { ...document.paths };
  let problem: object | undefined;
  for (const { responses } of Object.values(paths).flatMap((operations) => Object.values(operations))) {
    problem ??= responses["default"];
    if (responses["default"] !== undefined) responses["default"] = PROBLEM_REF;
  }
  return { ...document, components: { ...document.components, responses: { problem } } };
}
