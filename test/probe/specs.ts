/** Probes as checks ask for them, with what a test changes of them. */

import type {
  DnsProbeSpec,
  GrpcProbeSpec,
  HttpExpectation,
  HttpProbeSpec,
  TcpProbeSpec,
  TlsProbeSpec,
} from "../../src/config/check.ts";

const common = { latencyMs: null, inverted: false } as const;

export const tls: TlsProbeSpec = { insecure: false, validForMs: 0 };

export function httpSpec(port: number, changes: Partial<HttpProbeSpec> = {}): HttpProbeSpec {
  return {
    ...common,
    kind: "http",
    version: 1,
    tls: null,
    port,
    method: "GET",
    path: "/healthz",
    host: "www.gslb.example",
    headers: {},
    expect: expecting(),
    load: null,
    ...changes,
  };
}

/** Status 200, and what a test expects besides. */
export function expecting(changes: Partial<HttpExpectation> = {}): HttpExpectation {
  return { codes: [[200, 200]], headers: {}, body: null, pattern: null, json: {}, ...changes };
}

export function tcpSpec(port: number, changes: Partial<TcpProbeSpec> = {}): TcpProbeSpec {
  return { ...common, kind: "tcp", tls: null, port, host: null, send: null, expect: null, ...changes };
}

export function dnsSpec(port: number, changes: Partial<DnsProbeSpec> = {}): DnsProbeSpec {
  const question = { qname: "www.gslb.example.", qtype: 1 };
  return {
    ...common,
    kind: "dns",
    port,
    transport: "udp",
    ...question,
    rcodes: [0],
    answers: [],
    ...changes,
  };
}

export function grpcSpec(port: number, changes: Partial<GrpcProbeSpec> = {}): GrpcProbeSpec {
  return { ...common, kind: "grpc", tls: null, port, host: null, service: "", ...changes };
}
