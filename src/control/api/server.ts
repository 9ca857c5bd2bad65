/** The admin API of a node: the parts of the server, and its routes, in one place. */

import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import helmet from "@fastify/helmet";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { fastify } from "fastify";
import type { Logger } from "pino";
import type { NodeConfig, TlsFiles } from "../../config/node.ts";
import { messageOf } from "../../problem.ts";
import { type CertificateEvent, keepCertificate, logCertificate } from "../../serve/certificate.ts";
import type { Desk } from "../desk.ts";
import { withoutSecrets } from "../token.ts";
import { acceptWebSockets, agentRoutes } from "./agents.ts";
import { alarmRoutes } from "./alarms.ts";
import type { Api } from "./api.ts";
import { applyRoutes } from "./apply.ts";
import { auditRoutes } from "./audit.ts";
import { guard, sourceOf } from "./auth.ts";
import { capacityRoutes } from "./capacity.ts";
import { challengeRoutes } from "./challenges.ts";
import { changeRoutes } from "./changes.ts";
import { answerUnchanged } from "./conditional.ts";
import { configRoutes } from "./config.ts";
import { declaredRoutes } from "./declared.ts";
import { drillCompareRoutes } from "./drill-compare.ts";
import { drillReportRoutes } from "./drill-report.ts";
import { drillRoutes } from "./drills.ts";
import { answerError, answerErrors, answerNonsense } from "./errors.ts";
import { eventRoutes } from "./events.ts";
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
import { policyRoutes } from "./policies.ts";
import { problemRoutes } from "./problems.ts";
import { profileRoutes } from "./profile.ts";
import { proposalRoutes } from "./proposals.ts";
import { RequestCounts } from "./request-counts.ts";
import { rttRoutes } from "./rtt.ts";
import { serviceRoutes } from "./services.ts";
import { signalRoutes } from "./signals.ts";
import { simulateRoutes } from "./simulate.ts";
import { snapshotRoutes } from "./snapshots.ts";
import { stageRoutes } from "./stages.ts";
import { tokenRoutes } from "./tokens.ts";
import { refuseUnknownQueries, validatorCompiler } from "./validate.ts";
import { zoneRoutes } from "./zones.ts";

/** The longest body of a request. */
const BODY_OCTETS_MAX = 64 * 1024;

/** Ids of overrides hold two names, percent-encoded. */
const PARAMETER_LENGTH_MAX = 2_000;

/** What connections to the API may take. */
export interface ApiLimits {
  /** A request must have come in whole by then, and a connection have sent one. */
  readonly requestMs: number;
  /** How often that is looked at. */
  readonly sweepMs: number;
  readonly connections: number;
  /** For one IPv4 address, or one IPv6 /64, so that nobody takes them all. */
  readonly connectionsPerSource: number;
}

const LIMITS: ApiLimits = {
  requestMs: 10_000,
  sweepMs: 1_000,
  connections: 2_000,
  connectionsPerSource: 500,
};

/** How long to wait before trying again to listen: doubles from the first to the last. */
const BACK_OFF_MS = { first: 100, last: 10_000 };

/** An API that listens, or does as soon as it can. */
export interface RunningApi {
  /** Settles with its URL once it listens; null: it was closed before. */
  readonly listening: Promise<string | null>;
  close(): Promise<void>;
}

/** Listens where the node's config says. While it cannot, as when another process has the port, nothing else is worse for it. */
export async function startApi(
  desk: Desk,
  node: NodeConfig,
  log: Logger,
  limits: ApiLimits = LIMITS,
): Promise<RunningApi> {
  const app = await buildApi(desk, node, log, limits);
  const closing = new AbortController();
  const listening = listen(app, node, log, closing.signal);
  const close = async (): Promise<void> => {
    closing.abort();
    await app.close();
  };
  return { listening, close };
}

async function listen(app: Api, node: NodeConfig, log: Logger, closing: AbortSignal): Promise<string | null> {
  const { address, port } = node.api;
  for (let waitMs = BACK_OFF_MS.first; ; waitMs = Math.min(2 * waitMs, BACK_OFF_MS.last)) {
    try {
      await app.listen({ host: address.text, port });
      break;
    } catch (cause) {
      if (closing.aborted) return null;
      if (waitMs === BACK_OFF_MS.first)
        log.error(
          { cause: messageOf(cause) },
          `cannot listen for the API on ${address.text} port ${port}: no agent is heard; it is tried again until it can`,
        );
    }
    await sleep(waitMs, undefined, { signal: closing }).catch(() => undefined);
    if (closing.aborted) return null;
  }
  const url = urlOf(app, node);
  log.info({ url }, "API listens");
  return url;
}

/** With port 0 the system has chosen one. */
function urlOf({ server }: Api, { api, apiTls }: NodeConfig): string {
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : api.port;
  const host = api.address.family === 6 ? `[${api.address.text}]` : api.address.text;
  return `${apiTls === null ? "http" : "https"}://${host}:${port}`;
}

/** The API before it listens. */
export async function buildApi(
  desk: Desk,
  node: Pick<NodeConfig, "apiTls">,
  log: Logger,
  limits: ApiLimits = LIMITS,
): Promise<Api> {
  const onCertificate = (event: CertificateEvent): void => {
    if (event.kind === "used") desk.noteCertificate(event.validTo.getTime());
    logCertificate(event, log);
  };
  const app: Api = fastify({
    bodyLimit: BODY_OCTETS_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: PARAMETER_LENGTH_MAX },
    serverFactory: (handler) => newServer(handler, node, limits, onCertificate),
    clientErrorHandler: answerNonsense,
    frameworkErrors: (error, request, reply) => answerError(error, request, reply, log),
  }).withTypeProvider<TypeBoxTypeProvider>();

  // Bodies are JSON, and nothing else.
  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(validatorCompiler);
  // Schemas of responses are checked by the compiler and by tests; a serializer that followed them would drop silently
  // what they forget.
  app.setSerializerCompiler(() => JSON.stringify);
  refuseUnknownQueries(app);
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
  policyRoutes(app, desk);
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
  stageRoutes(app, desk);
  proposalRoutes(app, desk);
  drillReportRoutes(app, desk);
  drillCompareRoutes(app, desk);
  challengeRoutes(app, desk);
  keyRoutes(app, desk);
  auditRoutes(app, desk);
  changeRoutes(app, desk);
  historyRoutes(app, desk);
  eventRoutes(app, desk, log);
  snapshotRoutes(app, desk);
  applyRoutes(app, desk);
  tokenRoutes(app, desk);
  agentRoutes(app, desk);
  await app.ready();
  return app;
}

type OnCertificate = (event: CertificateEvent) => void;

function newServer(
  handler: RequestListener,
  { apiTls }: Pick<NodeConfig, "apiTls">,
  { requestMs, sweepMs, connections, connectionsPerSource }: ApiLimits,
  onCertificate: OnCertificate,
): Server {
  const options = {
    requestTimeout: requestMs,
    headersTimeout: requestMs,
    connectionsCheckingInterval: sweepMs,
  };
  const server =
    apiTls === null ? createServer(options, handler) : newTlsServer(options, handler, apiTls, onCertificate);
  server.maxConnections = connections;
  limitSources(server, connectionsPerSource);
  return server;
}

/** Closes the connections that one source has beyond its number of them. */
function limitSources(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const source = sourceOf(socket.remoteAddress ?? "");
    const count = (open.get(source) ?? 0) + 1;
    if (count > most) {
      socket.destroy();
      return;
    }
    open.set(source, count);
    socket.once("close", () => {
      const left = (open.get(source) ?? 1) - 1;
      if (left > 0) open.set(source, left);
      else open.delete(source);
    });
  });
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
        `API: ${method} ${withoutSecrets(url.split("?", 1)[0] ?? "")} ${statusCode}`,
      );
    }
    done();
  });
}
