/** The metrics of dns: which counters each adds up. */

import { Counter as Cell, PICKS_AT, REGIONS_MAX } from "./counters.ts";
import type { Family, Reading } from "./family.ts";

/** Which counters add up to the responses with an RCODE (RFC 1035 §4.1.1, RFC 6891 §9). */
const RCODES: Readonly<Record<string, readonly number[]>> = {
  NOERROR: [Cell.answered, Cell.noData, Cell.referrals],
  FORMERR: [Cell.formErr],
  SERVFAIL: [Cell.servFail],
  NXDOMAIN: [Cell.nxDomain],
  NOTIMP: [Cell.notImp],
  REFUSED: [Cell.refused],
  NOTAUTH: [Cell.notAuth],
  BADVERS: [Cell.badVers],
  BADCOOKIE: [Cell.badCookie],
};

/** What dns counts. */
export const DNS_METRICS: readonly Family[] = [
  counts("queries_total", "Packets and messages that came in.", "transport", {
    udp: [Cell.queriesUdp],
    tcp: [Cell.queriesTcp],
    tls: [Cell.queriesTls],
    https: [Cell.queriesHttps],
  }),
  count("xdp_queries_total", "Packets over UDP that were taken by XDP.", Cell.queriesXdp),
  counts("responses_total", "Responses by RCODE.", "rcode", RCODES),
  count("nodata_responses_total", "Responses without an answer for a name that exists.", Cell.noData),
  count("referrals_total", "Responses that name the servers of a delegated zone.", Cell.referrals),
  count("truncated_responses_total", "Responses with TC set, because they were too long.", Cell.truncated),
  count("client_subnet_queries_total", "Queries with a client subnet (RFC 7871).", Cell.withSubnet),
  counts("cookie_queries_total", "Queries with DNS Cookies (RFC 7873), by what these prove.", "proof", {
    client_only: [Cell.cookieClientOnly],
    invalid: [Cell.cookieInvalid],
    valid: [Cell.cookieValid],
  }),
  counts(
    "rate_limited_responses_total",
    "Responses that the rate limit dropped or truncated, or in a dry run would have.",
    "outcome",
    {
      dropped: [Cell.limitDropped],
      truncated: [Cell.limitTruncated],
      would_drop: [Cell.wouldDrop],
      would_truncate: [Cell.wouldTruncate],
    },
  ),
  count("steered_answers_total", "Queries for steered names.", Cell.steered),
  {
    type: "counter",
    name: "meridian_dns_picks_total",
    help: "Steered answers by the region of their VIP, of several the first.",
    labels: ["region"],
    read: ({ counters, regions }) =>
      counters &&
      regions.slice(0, REGIONS_MAX).map((region, number) => [{ region }, counters[PICKS_AT + number] ?? 0]),
  },
  count(
    "forwarded_requests_total",
    "Requests that were left to control: UPDATE, transfers, signed queries, and those that ask why.",
    Cell.forwarded,
  ),
  counts("signatures_total", "Signatures that were made ahead, or because a query needed them.", "made", {
    ahead: [Cell.signedAhead],
    on_demand: [Cell.signedOnDemand],
  }),
  count(
    "refused_signatures_total",
    "Signatures that queries did not get, because too many had been made in that second.",
    Cell.signingRefused,
  ),
  gauge("prepared_signatures", "Signatures made ahead that are ready.", Cell.signaturesReady),
  gauge(
    "unprepared_signatures",
    "Signatures that there is no room for to make them ahead.",
    Cell.signaturesLeft,
  ),
  gauge(
    "signature_expiration_timestamp_seconds",
    "When the first of the signatures made ahead expires; 0: there are none.",
    Cell.signaturesHoldUntil,
  ),
  gauge(
    "signatures_late",
    "1: some signature has less than an eighth of its validity left, and has not been made anew.",
    Cell.signaturesLate,
  ),
  count("dropped_packets_total", "Packets that got no response, because they are no queries.", Cell.dropped),
  count("crashes_total", "Answers that threw; the clients got SERVFAIL.", Cell.crashes),
  counts("workers_lost_total", "UDP workers that another one replaced.", "reason", {
    died: [Cell.workersDied],
    hung: [Cell.workersHung],
  }),
  counts("socket_errors_total", "System calls that failed.", "operation", {
    receive: [Cell.receiveErrors],
    send: [Cell.sendErrors],
  }),
  gauge("open_connections", "Connections that are open now, whatever their transport.", Cell.connectionsOpen),
  counts("connections_total", "Connections, those with TLS once their handshake is done.", "transport", {
    tcp: [Cell.connectionsTcp],
    tls: [Cell.connectionsTls],
    https: [Cell.connectionsHttps],
  }),
  counts(
    "refused_connections_total",
    "Connections that were one too many of their client or closed for another, or came after too many that came to nothing.",
    "reason",
    { limit: [Cell.connectionsRefused], wasted: [Cell.connectionsBarred] },
  ),
  {
    type: "gauge",
    name: "meridian_dns_certificate_end_timestamp_seconds",
    help: "When the certificate that is in use ends; none where there is none.",
    labels: ["transport"],
    read: ({ counters }) =>
      counters &&
      Object.entries({ tls: Cell.tlsCertificateEnd, https: Cell.httpsCertificateEnd }).flatMap(
        ([transport, cell]): Reading[] =>
          (counters[cell] ?? 0) === 0 ? [] : [[{ transport }, counters[cell] ?? 0]],
      ),
  },
  count("tls_handshake_failures_total", "TLS handshakes that came to nothing.", Cell.tlsFailures),
  counts("https_responses_total", "Responses over HTTPS by their HTTP status.", "status", {
    "200": [Cell.https200],
    "400": [Cell.https400],
    "404": [Cell.https404],
    "405": [Cell.https405],
    "413": [Cell.https413],
    "414": [Cell.https414],
    "415": [Cell.https415],
  }),
];

/** A counter of dns. */
function count(name: string, help: string, cell: number): Family {
  return ofCell("counter", name, help, cell);
}

/** What dns says of itself as it is now. */
function gauge(name: string, help: string, cell: number): Family {
  return ofCell("gauge", name, help, cell);
}

function ofCell(type: Family["type"], name: string, help: string, cell: number): Family {
  return {
    type,
    name: `meridian_dns_${name}`,
    help,
    labels: [],
    read: ({ counters }) => counters && [[{}, counters[cell] ?? 0]],
  };
}

/** Counters of dns that differ in one label; each adds up cells. */
function counts(
  name: string,
  help: string,
  label: string,
  cells: Readonly<Record<string, readonly number[]>>,
): Family {
  return {
    type: "counter",
    name: `meridian_dns_${name}`,
    help,
    labels: [label],
    read: ({ counters }) =>
      counters &&
      Object.entries(cells).map(([value, summands]) => {
        return [{ [label]: value }, summands.reduce((sum, cell) => sum + (counters[cell] ?? 0), 0)];
      }),
  };
}
