/** The admin API of a node: the parts of the server, and its routes, in one place. */

import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import helmet from "@fastify/helmet";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { fastify } from "fastify";
import type { Logger } from "pino";
import type { NodeConfig, TlsFiles } from "../../config/config.ts";
import { type CertificateEvent, keepCertificate, logCertificate } from "../../serve/certificate.ts";
import type { Desk } from "../desk.ts";
import { acceptWebSockets, agentRoutes } from "./agents.ts";
import { alarmRoutes } from "./alarms.ts";
import type { Api } from "./api.ts";
import { auditRoutes } from "./audit.ts";
import { guard } from "./auth.ts";
import { capacityRoutes } from "./capacity.ts";
import { challengeRoutes } from "./challenges.ts";
import { changeRoutes } from "./changes.ts";
import { answerUnchanged } from "./conditional.ts";
import { configRoutes } from "./config.ts";
import { declaredRoutes } from "./declared.ts";
import { drillRoutes } from "./drills.ts";
import { answerError, answerErrors, answerNonsense } from "./errors.ts";
import { explainRoutes } from "./explain.ts";
import { factRoutes } from "./facts.ts";
import { healthRoutes } from "./health.ts";
import { historyRoutes } from "./history.ts";
import { answerRepeats } from "./idempotency.ts";
import { keyRoutes } from "./keys.ts";
import { Lockout } from "./lockout.ts";
import { metricRoutes } from "./metrics.ts";
import { nodeRoutes } from "./nodes.ts";
import { describeRoutes } from "./openapi.ts";
import { overrideRoutes } from "./overrides.ts";
import { problemRoutes } from "./problems.ts";
import { profileRoutes } from "./profile.ts";
import { proposalRoutes } from "./proposals.ts";
import { RequestCounts } from "./request-counts.ts";
import { rttRoutes } from "./rtt.ts";
import { serviceRoutes } from "./services.ts";
import { signalRoutes } from "./signals.ts";
import { simulateRoutes } from "./simulate.ts";
import { snapshotRoutes } from "./snapshots.ts";
import { tokenRoutes } from "./tokens.ts";
import { validatorCompiler } from "./validate.ts";
import { zoneRoutes } from "./zones.ts";

/** The longest body of a request. */
const BODY_OCTETS_MAX = 64 * 1024;

/** Ids of overrides hold two names, percent-encoded. */
const PARAMETER_LENGTH_MAX = 2_000;

/** A request must have come in whole by then. */
const REQUEST_MS_MAX = 10_000;

const CONNECTIONS_MAX = 2_000;

/** An API that listens. */
export interface RunningApi {
  readonly url: string;
  close(): Promise<void>;
}

/** Listens where the node's config says; throws when it cannot. */
export async function startApi(desk: Desk, node: NodeConfig, log: Logger): Promise<RunningApi> {
  const app = await buildApi(desk, node, log);
  const { address, port } = node.api;
  try {
    await app.listen({ host: address.text, port });
  } catch (cause) {
    await app.close();
    throw new Error(`Cannot listen for the API on ${address.text} port ${port}`, { cause });
  }
  const url = urlOf(app, node);
  log.info({ url }, "API listens");
  return { url, close: () => app.close() };
}

/** With port 0 the system has chosen one. */
function urlOf({ server }: Api, { api, apiTls }: NodeConfig): string {
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : api.port;
  const host = api.address.family === 6 ? `[${api.address.text}]` : api.address.text;
  return `${apiTls === null ? "http" : "https"}://${host}:${port}`;
}

/** The API before it listens. */
export async function buildApi(desk: Desk, node: Pick<NodeConfig, "apiTls">, log: Logger): Promise<Api> {
  const onCertificate = (event: CertificateEvent): void => {
    if (event.kind === "used") desk.noteCertificate(event.validTo.getTime());
    logCertificate(event, log);
  };
  const app: Api = fastify({
    bodyLimit: BODY_OCTETS_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    serverFactory: (handler) => newServer(handler, node, onCertificate),
    clientErrorHandler: (_error, socket) => answerNonsense(socket),
    frameworkErrors: (error, request, reply) => answerError(error, request, reply, log),
  }).withTypeProvider<TypeBoxTypeProvider>();

  app.setValidatorCompiler(validatorCompiler);
  // Schemas of responses are checked by the compiler and by tests; a serializer that followed them would drop silently
  // what they forget.
  app.setSerializerCompiler(() => JSON.stringify);
  answerErrors(app, log);
  logChanges(app, log);
  const requests = new RequestCounts(app);
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    hsts: node.apiTls !== null,
  });
  await acceptWebSockets(app);
  const lockout = new Lockout();
  await guard(app, desk, lockout);
  answerRepeats(app, desk, log);
  answerUnchanged(app, () => desk.status().version);
  await describeRoutes(app);

  healthRoutes(app, desk);
  problemRoutes(app);
  metricRoutes(app, desk, { lockout, requests });
  configRoutes(app, desk);
  declaredRoutes(app, desk);
  zoneRoutes(app, desk);
  nodeRoutes(app, desk);
  serviceRoutes(app, desk);
  explainRoutes(app, desk);
  profileRoutes(app, desk);
  simulateRoutes(app, desk);
  factRoutes(app, desk);
  capacityRoutes(app, desk);
  alarmRoutes(app, desk);
  rttRoutes(app, desk);
  signalRoutes(app, desk);
  overrideRoutes(app, desk);
  drillRoutes(app, desk);
  proposalRoutes(app, desk);
  challengeRoutes(app, desk);
  keyRoutes(app, desk);
  auditRoutes(app, desk);
  changeRoutes(app, desk);
  historyRoutes(app, desk);
  snapshotRoutes(app, desk);
  tokenRoutes(app, desk);
  agentRoutes(app, desk);
  await app.ready();
  return app;
}

type OnCertificate = (event: CertificateEvent) => void;

function newServer(
  handler: RequestListener,
  { apiTls }: Pick<NodeConfig, "apiTls">,
  onCertificate: OnCertificate,
): Server {
  const options = { requestTimeout: REQUEST_MS_MAX, headersTimeout: REQUEST_MS_MAX };
  const server =
    apiTls === null ? createServer(options, handler) : newTlsServer(options, handler, apiTls, onCertificate);
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

/** Report streams that are open outlive a change of the certificate. */
function newTlsServer(
  options: ServerOptions,
  handler: RequestListener,
  files: TlsFiles,
  onCertificate: OnCertificate,
): Server {
  const server = createTlsServer(options, handler);
  server.on("close", keepCertificate(server, files, onCertificate));
  return server;
}

/** One line for each request that may change something, whatever became of it; never what came in with it. */
function logChanges(app: Api, log: Logger): void {
  app.addHook("onResponse", (request, reply, done) => {
    const { access } = request.routeOptions.config;
    if (access === "admin" || access === "operator") {
      const { method, url, ip, token } = request;
      const { statusCode } = reply;
      log.info(
        { address: ip, token: token?.name ?? null },
        `API: ${method} ${url.split("?", 1)[0]} ${statusCode}`,
      );
    }
    done();
  });
}
