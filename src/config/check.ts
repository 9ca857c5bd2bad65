/** How members are probed, and when they are judged: the section `checks`. */

import type { CheckId } from "./config.ts";

/** How a member is probed, and when it is judged. All times in milliseconds. */
export interface Check {
  readonly id: CheckId;
  readonly probe: ProbeSpec;
  readonly intervalMs: number;
  /** A probe not answered by then has failed; at most `intervalMs`. */
  readonly timeoutMs: number;
  /** Consecutive successes before a vantage calls a VIP healthy again. */
  readonly rise: number;
  /** Consecutive failures before a vantage calls a VIP unhealthy. */
  readonly fall: number;
  /** After a failure the next probe starts this long after the failed one, until the state is settled. */
  readonly recheckMs: number;
  /** At most this much is added to an interval at random, so that probes do not come in bursts. */
  readonly jitterMs: number;
  readonly quorum: Quorum;
  /** With fewer fresh vantages verdicts are held as they are. */
  readonly minVantages: number;
  readonly failback: Failback;
  /** A VIP that comes back takes its full share only after this long; 0: at once. */
  readonly slowStartMs: number;
}

/** How many fresh vantages must agree. */
export type Quorum =
  | { readonly kind: "majority" }
  | { readonly kind: "any" }
  | { readonly kind: "all" }
  | { readonly kind: "percent"; readonly percent: number };

/** What happens when a VIP that was down is healthy again. Times in milliseconds. */
export type Failback =
  | {
      readonly kind: "auto";
      /** How long it must have been healthy before it comes back, after its first flap; 0: it comes back at once. */
      readonly holdDownMs: number;
      /** Each further flap doubles that up to here; at least `holdDownMs`. */
      readonly holdDownMsMax: number;
      /** Being up for so long makes one flap forgotten, so it halves the hold. */
      readonly halfLifeMs: number;
    }
  /** It stays down until an operator releases it. */
  | { readonly kind: "manual" };

/** What one probe does. */
export type ProbeSpec = SingleProbeSpec | CalculatedProbeSpec;

/** A probe that looks for itself. */
export type SingleProbeSpec = HttpProbeSpec | TcpProbeSpec | DnsProbeSpec | GrpcProbeSpec | IcmpProbeSpec;

/** What every probe is judged by besides its own expectations. */
interface CommonProbeSpec {
  /** A success that took longer, from the start of the probe to its end, is a failure; null: it may take its timeout. */
  readonly latencyMs: number | null;
  /** A failure is what is wanted, and a success is none. */
  readonly inverted: boolean;
}

/** Which certificate will do. */
export interface TlsProbeSpec {
  /** Accepts any. */
  readonly insecure: boolean;
  /** For so long the certificate must still be valid; 0: now. */
  readonly validForMs: number;
}

export interface HttpProbeSpec extends CommonProbeSpec {
  readonly kind: "http";
  /** 2: HTTP/2, agreed by ALPN. */
  readonly version: 1 | 2;
  /** null: without TLS. */
  readonly tls: TlsProbeSpec | null;
  readonly port: number;
  readonly method: "GET" | "HEAD";
  readonly path: string;
  /** Host header, and with TLS the SNI and the name the certificate must carry; null: the VIP itself. */
  readonly host: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly expect: HttpExpectation;
  /** Where the response says how loaded the VIP is; null: nowhere. */
  readonly load: LoadSource | null;
}

/** Which response is a success. */
export interface HttpExpectation {
  /** Inclusive ranges of status codes. */
  readonly codes: readonly (readonly [number, number])[];
  /** The values of headers, by their names. */
  readonly headers: Readonly<Record<string, string>>;
  /** A text that the body must contain (first 64 KiB); null: any body. */
  readonly body: string | null;
  /** A pattern of `config/pattern.ts` that must match in the first 64 KiB of the body; null: none. */
  readonly pattern: string | null;
  /** What fields of a JSON body must be, by their paths. */
  readonly json: Readonly<Record<string, JsonExpectation>>;
}

/** What a field of a JSON body must be. */
export type JsonExpectation =
  /** This text, or the number, the boolean or null that is written so. */
  | { readonly kind: "is"; readonly text: string }
  /** A number between both, which it must not reach; null: without that end. */
  | { readonly kind: "between"; readonly above: number | null; readonly below: number | null };

/** Where a response says how loaded the VIP is. */
export interface LoadSource {
  readonly from: "header" | "json";
  /** The header's name, or the path of the field. */
  readonly name: string;
  /** The number that stands for full load. */
  readonly full: number;
}

/** A connection, with TLS or without; then, where they are given, what is sent and what must come. */
export interface TcpProbeSpec extends CommonProbeSpec {
  readonly kind: "tcp";
  readonly tls: TlsProbeSpec | null;
  readonly port: number;
  /** With TLS the SNI and the name the certificate must carry; null: the VIP itself. */
  readonly host: string | null;
  /** Octets in hexadecimal digits; null: nothing is sent. */
  readonly send: string | null;
  /** Octets in hexadecimal digits that must come, within the first 64 KiB; null: nothing need come. */
  readonly expect: string | null;
}

/** One query and its response. */
export interface DnsProbeSpec extends CommonProbeSpec {
  readonly kind: "dns";
  readonly port: number;
  readonly transport: "udp" | "tcp";
  /** As `formatName` writes it. */
  readonly qname: string;
  readonly qtype: number;
  /** RCODEs that are a success; with NOERROR there must be an RR of the QTYPE. */
  readonly rcodes: readonly number[];
  /** Addresses that must be among the answers. */
  readonly answers: readonly string[];
}

/** `grpc.health.v1.Health/Check`. */
export interface GrpcProbeSpec extends CommonProbeSpec {
  readonly kind: "grpc";
  readonly tls: TlsProbeSpec | null;
  readonly port: number;
  /** The `:authority`, and with TLS the SNI and the name the certificate must carry; null: the VIP itself. */
  readonly host: string | null;
  /** "": the server as a whole. */
  readonly service: string;
}

/** An ICMP echo. */
interface IcmpProbeSpec extends CommonProbeSpec {
  readonly kind: "icmp";
}

/** Several probes of one VIP at the same time, of which so many must succeed. */
export interface CalculatedProbeSpec extends CommonProbeSpec {
  readonly kind: "calculated";
  readonly need: number;
  readonly of: readonly PartSpec[];
}

/** A probe that is a part of another. */
interface PartSpec {
  /** The check that it is from, for the words of a failure. */
  readonly check: CheckId;
  readonly probe: SingleProbeSpec;
}
