/** The API's description of itself: OpenAPI at `/docs/json`, pages to read and try it at `/docs`. */

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
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      security: [{ token: [] }],
    },
    transform: ({ schema, url, route }) => {
      const access = route.config?.access ?? "public";
      const security = access === "public" ? { security: [] } : {};
      return { schema: { ...schema, description: whoMayUse(access), ...security }, url };
    },
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
