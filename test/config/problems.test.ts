import { describe, expect, test } from "vitest";
import { problemsOf, small } from "./fixture.ts";

/** The text of one section, and the problems it has: `line:column: message`. */
type Case = readonly [text: string, problems: readonly string[]];

/** Case by case, each in a file of its own; what the case refers to stands behind it, so that places stay true. */
function checkAll(cases: readonly Case[], rest: string): void {
  test.each(cases)("%j", (text, problems) => {
    expect(problemsOf(`${text}\n${rest}`)).toEqual(problems);
  });
}

const duration = "a duration such as 500ms, 5s, 1m or 1h";
const endpoint = "an address with a port such as 127.0.0.1:53 or [::1]:53";
const name = 'a name of at most 63 letters, digits, ".", "-" and "_"';
const listed = "is there already";

describe("the whole file", () => {
  checkAll(
    [
      ["", ["1:1: expected a map, found nothing"]],
      ["just words", ['1:1: expected a map, found "just words"']],
      ["[]", ["1:1: expected a map, found an empty list"]],
      ["zone: []", ['1:1: unknown key "zone", did you mean "zones"']],
      ["geo: {}\ngeo: {}", ['2:1: duplicate key "geo", the first is in line 1']],
      [
        "geo:\nqqq: 1",
        [
          "1:5: geo: expected a map, found nothing",
          '2:1: unknown key "qqq", expected "node", "geo", "zones", "dnssec", "regions", "vantages", "checks", "pools", "policies", "services", "tests", "invariants", "drills", "keys", "acme", "transfer", "safety" or "alarms"',
        ],
      ],
    ],
    "",
  );
});

describe("dnssec", () => {
  checkAll(
    [
      [
        "dnssec: { a.example: { cds: never } }",
        ['1:29: dnssec.a.example.cds: expected keys or delete, found "never"'],
      ],
      [
        "dnssec: { a.example: { cds: delete, rollover: { by: dns1 } } }",
        [
          '1:29: dnssec.a.example.cds: the zone gives up its DS, so there is none to roll: expected no "rollover"',
        ],
      ],
    ],
    small,
  );
});

describe("node, geo and zones", () => {
  checkAll(
    [
      ["node: { listne: [] }", ['1:9: node: unknown key "listne", did you mean "listen"']],
      ["node: { name: }", ["1:15: node.name: expected a text, found nothing"]],
      [
        "node: { listen: [] }",
        ["1:17: node.listen: expected at least one address with its port, found an empty list"],
      ],
      [
        'node: { listen: "1.2.3.4:53" }',
        ['1:17: node.listen: expected a list of addresses with their ports, found "1.2.3.4:53"'],
      ],
      ["node: { listen: [1.2.3.4] }", [`1:18: node.listen[0]: expected ${endpoint}, found "1.2.3.4"`]],
      [
        'node: { listen: ["[::1]:53", "[0::1]:53"] }',
        ["1:30: node.listen[1]: this address and port are in the list already"],
      ],
      ["node: { workers: 0 }", ['1:18: node.workers: expected a whole number from 1 to 256, found "0"']],
      ["node: { workers: 1.5 }", ['1:18: node.workers: expected a whole number from 1 to 256, found "1.5"']],
      ["node: { udp: bacth }", ['1:14: node.udp: expected auto, batch or datagram, found "bacth"']],
      ["node: { xdp: [eth0, eth1, eth0] }", ["1:27: node.xdp[2]: this interface is in the list already"]],
      [
        "node: { xdp: [a/b, ..] }",
        [
          '1:15: node.xdp[0]: expected the name of a network interface such as eth0, found "a/b"',
          '1:20: node.xdp[1]: expected the name of a network interface such as eth0, found ".."',
        ],
      ],
      [
        "node: { udp: datagram, xdp: [eth0] }",
        ['1:14: node.udp: expected auto or batch with "xdp", which comes in batches, found "datagram"'],
      ],
      [
        "node: { tcp: { idleTimeout: 5 } }",
        [`1:29: node.tcp.idleTimeout: expected ${duration}, from 100ms to 1h, found "5"`],
      ],
      [
        "node: { listen: [192.0.2.1:53], tls: { listen: [192.0.2.1:53], key: k } }",
        [
          '1:33: node.tls: expected the key "certificate"',
          "1:49: node.tls.listen[0]: this address and port are in node.listen already",
        ],
      ],
      [
        "node: { https: { path: dns-query, certificate: c, key: k } }",
        ['1:24: node.https.path: expected a path such as /dns-query, found "dns-query"'],
      ],
      [
        "node: { proxyProtocol: [10.0.0.1/8, 10.0.0.0/8, 10.0.0.0/8] }",
        [
          '1:25: node.proxyProtocol[0]: expected a prefix without host bits such as 192.0.2.0/24 or 2001:db8::/32, found "10.0.0.1/8"',
          "1:49: node.proxyProtocol[2]: this prefix is in the list already",
        ],
      ],
      [
        "node: { api: { listen: localhost:80 } }",
        [`1:24: node.api.listen: expected ${endpoint}, found "localhost:80"`],
      ],
      ["node: { api: { tls: { key: k } } }", ['1:16: node.api.tls: expected the key "certificate"']],
      [
        "node: { publishWithin: 2m }",
        [`1:24: node.publishWithin: expected ${duration}, from 1ms to 1m, found "2m"`],
      ],
      ["geo: { database: [] }", ["1:18: geo.database: expected a path, found an empty list"]],
      ["geo: { labels: a.csv }", ['1:16: geo.labels: expected a list of files, found "a.csv"']],
      ["zones: [a.zone, ./x/../a.zone]", ["1:17: zones[1]: this file is in the list already"]],
      ['zones: [""]', ['1:9: zones[0]: expected a path, found ""']],
    ],
    "",
  );
});

describe("regions and vantages", () => {
  checkAll(
    [
      ["regions: { a: {} }", ['1:12: regions.a: expected the key "at"']],
      [
        "regions: { a: { at: [1] } }",
        ["1:21: regions.a.at: expected [latitude, longitude] in degrees, found a list"],
      ],
      [
        "regions: { a: { at: 1 } }",
        ['1:21: regions.a.at: expected [latitude, longitude] in degrees, found "1"'],
      ],
      [
        "regions: { a: { at: [91, 1] } }",
        ['1:22: regions.a.at[0]: expected a number from -90 to 90, found "91"'],
      ],
      [
        "regions: { a: { at: [1, -181] } }",
        ['1:25: regions.a.at[1]: expected a number from -180 to 180, found "-181"'],
      ],
      ["regions: { a/b: { at: [1, 1] } }", [`1:12: regions: expected ${name}, found "a/b"`]],
      [
        "vantages: { a: { At: [1, 1] } }",
        ['1:13: vantages.a: expected the key "at"', '1:18: vantages.a: unknown key "At", did you mean "at"'],
      ],
    ],
    "",
  );
});

describe("checks", () => {
  checkAll(
    [
      ["checks: { c: {} }", ['1:11: checks.c: expected the key "type"']],
      [
        "checks: { c: { type: htp } }",
        [
          '1:22: checks.c.type: expected http, https, http2, tcp, tls, dns, grpc, icmp or calculated, found "htp"',
        ],
      ],
      ["checks: { c: { type: tcp } }", ['1:11: checks.c: expected the key "port"']],
      [
        "checks: { c: { type: tcp, port: 1, path: /, expect: { codes: [200] } } }",
        [
          "1:36: checks.c.path: expected only in a check of type http, https or http2",
          "1:55: checks.c.expect.codes: expected only in a check of type http, https or http2",
        ],
      ],
      [
        "checks: { c: { type: http, insecure: true } }",
        ["1:28: checks.c.insecure: expected only in a check of type https, http2, tls or grpc"],
      ],
      [
        "checks: { c: { type: https, insecure: yes } }",
        ['1:39: checks.c.insecure: expected true or false, found "yes"'],
      ],
      [
        "checks: { c: { type: http, port: 65536 } }",
        ['1:34: checks.c.port: expected a whole number from 1 to 65,535, found "65536"'],
      ],
      [
        "checks: { c: { type: http, path: x y } }",
        ['1:34: checks.c.path: expected a path that starts with a slash, without spaces, found "x y"'],
      ],
      [
        'checks: { c: { type: http, host: "a:80" } }',
        ['1:34: checks.c.host: expected a host name without a port, found "a:80"'],
      ],
      [
        "checks: { c: { type: http, method: POST } }",
        ['1:36: checks.c.method: expected GET or HEAD, found "POST"'],
      ],
      [
        "checks: { c: { type: http, method: HEAD, expect: { body: ok } } }",
        ["1:52: checks.c.expect.body: a response to HEAD has no body, expected the method GET"],
      ],
      [
        "checks: { c: { type: http, headers: { HOST: a } } }",
        ['1:39: checks.c.headers: expected the key "host" of the check for the Host header'],
      ],
      [
        "checks: { c: { type: http, headers: { A: 1, a: 2 } } }",
        [`1:45: checks.c.headers: "a" ${listed}, and case does not matter in headers`],
      ],
      [
        'checks: { c: { type: http, headers: { "a b": 1 } } }',
        ['1:39: checks.c.headers: expected the name of a header, found "a b"'],
      ],
      [
        'checks: { c: { type: http, headers: { A: "x\\r\\nB: y" } } }',
        ['1:42: checks.c.headers.A: expected a text of printable ASCII, found "x\\r\\nB: y"'],
      ],
      [
        "checks: { c: { type: http, expect: { codes: [] } } }",
        ["1:45: checks.c.expect.codes: expected at least one status code, found an empty list"],
      ],
      [
        "checks: { c: { type: http, expect: { codes: [299-200] } } }",
        ["1:46: checks.c.expect.codes[0]: expected the lower code first, 200-299"],
      ],
      [
        "checks: { c: { type: http, expect: { codes: [2xx] } } }",
        [
          '1:46: checks.c.expect.codes[0]: expected a status code such as 204 or a range such as 200-299, found "2xx"',
        ],
      ],
      [
        "checks: { c: { type: http, interval: 50ms } }",
        [`1:38: checks.c.interval: expected ${duration}, from 100ms to 1h, found "50ms"`],
      ],
      [
        "checks: { c: { type: http, interval: 1s, timeout: 1001ms } }",
        ['1:51: checks.c.timeout: expected at most the interval, 1s, found "1001ms"'],
      ],
      [
        "checks: { c: { type: http, recheck: 6s } }",
        ['1:37: checks.c.recheck: expected at most the interval, 5s, found "6s"'],
      ],
      [
        "checks: { c: { type: http, interval: x, timeout: 2h } }",
        [
          `1:38: checks.c.interval: expected ${duration}, from 100ms to 1h, found "x"`,
          `1:50: checks.c.timeout: expected ${duration}, from 10ms to 1h, found "2h"`,
        ],
      ],
      [
        "checks: { c: { type: http, rise: 0, fall: -1 } }",
        [
          '1:34: checks.c.rise: expected a whole number from 1 to 100, found "0"',
          '1:43: checks.c.fall: expected a whole number from 1 to 100, found "-1"',
        ],
      ],
      [
        "checks: { c: { type: http, quorum: most } }",
        ['1:36: checks.c.quorum: expected majority, any, all or { percent: 60 }, found "most"'],
      ],
      [
        "checks: { c: { type: http, quorum: { percent: 0 } } }",
        ['1:47: checks.c.quorum.percent: expected a number from 1 to 100, found "0"'],
      ],
      [
        "checks: { c: { type: http, failback: never } }",
        ['1:38: checks.c.failback: expected auto, manual or { holdDown: 2m }, found "never"'],
      ],
      [
        "checks: { c: { type: http, failback: { halfLife: 0s } } }",
        [
          '1:28: checks.c.failback: expected the key "holdDown"',
          '1:50: checks.c.failback.halfLife: expected a duration such as 500ms, 5s, 1m or 1h, from 1s to 24h, found "0s"',
        ],
      ],
      [
        "checks: { c: { type: http, failback: { holdDown: 2m, holdDownMax: 90s } } }",
        ['1:67: checks.c.failback.holdDownMax: expected at least the holdDown, 2m, found "90s"'],
      ],
      [
        "checks: { c: { type: http, minVantages: 2 } }\nvantages: { a: { at: [1, 1] } }",
        [
          '1:41: checks.c.minVantages: expected at most 1, the number of vantages in the section "vantages", found "2"',
        ],
      ],
      [
        "checks: { c: { type: http, expect: { headers: { A: x, a: y } } } }",
        [`1:55: checks.c.expect.headers: "a" ${listed}, and case does not matter in headers`],
      ],
      [
        'checks: { c: { type: http, expect: { pattern: "(a)\\\\1" } } }',
        [
          '1:47: checks.c.expect.pattern: expected a pattern that is matched in linear time: without lookaround, back references and large counts, found "(a)\\\\1"',
        ],
      ],
      [
        "checks: { c: { type: http, expect: { json: { a..b: ok, b: {}, c: { below: 1, above: 1 } } } } }",
        [
          '1:46: checks.c.expect.json: expected the path of a field, keys with dots between them such as queue.depth, found "a..b"',
          '1:59: checks.c.expect.json.b: expected the key "above" or "below" or both, found an empty map',
          "1:66: checks.c.expect.json.c: expected a number between the two bounds, found a map",
        ],
      ],
      [
        "checks: { c: { type: http, load: { full: 0 } } }",
        [
          '1:28: checks.c.load: expected one of the keys "header" and "json"',
          '1:42: checks.c.load.full: expected a number from 0.001 to 1,000,000,000, found "0"',
        ],
      ],
      [
        "checks: { c: { type: http, method: HEAD, expect: { pattern: a, json: { a: 1 } }, load: { json: a } } }",
        [
          "1:52: checks.c.expect.pattern: a response to HEAD has no body, expected the method GET",
          "1:64: checks.c.expect.json: a response to HEAD has no body, expected the method GET",
          "1:82: checks.c.load: a response to HEAD has no body, expected the method GET",
        ],
      ],
      [
        "checks: { c: { type: tcp, port: 1, send: { hex: 0 }, expect: { text: a, hex: 61 } } }",
        [
          '1:49: checks.c.send.hex: expected octets in hexadecimal digits such as 50 49 4e 47, found "0"',
          '1:73: checks.c.expect.hex: expected only one of the keys "text" and "hex"',
        ],
      ],
      [
        "checks: { c: { type: dns, qtype: AXFR, expect: { rcodes: [NOEROR], answers: [192.0.2.1] } } }",
        [
          '1:11: checks.c: expected the key "qname"',
          '1:34: checks.c.qtype: expected an RR type such as A or SOA, found "AXFR"',
          '1:59: checks.c.expect.rcodes[0]: expected NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH or NOTZONE, found "NOEROR"',
          "1:68: checks.c.expect.answers: expected only with the qtype A or AAAA",
        ],
      ],
      [
        'checks: { c: { type: dns, qname: a.example, expect: { answers: ["::1"] } } }',
        ['1:65: checks.c.expect.answers[0]: expected an IPv4 address such as 192.0.2.1, found "::1"'],
      ],
      [
        "checks: { c: { type: grpc, tls: false, insecure: true, expect: { validFor: 1h } } }",
        [
          '1:11: checks.c: expected the key "port"',
          "1:40: checks.c.insecure: expected only with TLS",
          "1:66: checks.c.expect.validFor: expected only with TLS",
        ],
      ],
      [
        "checks: { a: { type: http }, c: { type: calculated, of: [b, a, a, c], need: 5, port: 1 } }",
        [
          '1:58: checks.c.of[0]: there is no check "b", expected "a"',
          '1:64: checks.c.of[2]: "a" is in the list already',
          '1:67: checks.c.of[3]: expected a check that is not calculated itself, found "c"',
          '1:77: checks.c.need: expected all, any or a whole number from 1 to 4, the number of checks, found "5"',
          "1:80: checks.c.port: expected only in a check of type http, https, http2, tcp, tls, dns or grpc",
        ],
      ],
      [
        "checks: { c: { type: calculated, of: [] } }",
        ["1:38: checks.c.of: expected at least one check, found an empty list"],
      ],
      [
        "checks: { c: { type: icmp, port: 1, timeout: 1s, expect: { latency: 1s } } }",
        [
          "1:28: checks.c.port: expected only in a check of type http, https, http2, tcp, tls, dns or grpc",
          "1:50: checks.c.expect: expected a latency below the timeout, 1s",
        ],
      ],
      [
        "checks: { c: { type: http, intervall: 1s } }",
        ['1:28: checks.c: unknown key "intervall", did you mean "interval"'],
      ],
    ],
    "",
  );
});

describe("pools", () => {
  checkAll(
    [
      ["pools: { p: {} }", ['1:10: pools.p: expected the key "members"']],
      ["pools: { p: { members: {} } }", ["1:15: pools.p.members: expected at least one member"]],
      ["pools: { p: { members: [us] } }", ["1:24: pools.p.members: expected a map, found a list"]],
      [
        "pools: { p: { check: wbe, members: { us: { ipv4: 192.0.2.1 } } } }",
        ['1:22: pools.p.check: there is no check "wbe", did you mean "web"'],
      ],
      [
        "pools: { p: { members: { us: {} } } }",
        ['1:26: pools.p.members.us: expected an address, the key "ipv4" or "ipv6" or both'],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2 } } } }",
        ['1:38: pools.p.members.us.ipv4: expected an IPv4 address such as 192.0.2.1, found "192.0.2"'],
      ],
      [
        'pools: { p: { members: { us: { ipv6: "::ffff:192.0.2.1" } } } }',
        [
          '1:38: pools.p.members.us.ipv6: expected an IPv6 address such as 2001:db8::1, found "::ffff:192.0.2.1"',
        ],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2.1, probe: ipv6 } } } }",
        ['1:56: pools.p.members.us.probe: expected the key "ipv6" beside it, the address to probe'],
      ],
      [
        "pools: { p: { signals: { every: 10ms, samples: 0 }, members: { us: { ipv4: 192.0.2.1 } } } }",
        [
          '1:15: pools.p.signals: expected the key "check" beside it, whose thresholds and quorum hold for signals too',
          '1:33: pools.p.signals.every: expected a duration such as 500ms, 5s, 1m or 1h, from 1s to 1h, found "10ms"',
          '1:48: pools.p.signals.samples: expected a whole number from 1 to 1,000,000, found "0"',
        ],
      ],
      [
        "pools: { p: { perVantage: true, members: { us: { ipv4: 192.0.2.1 } } } }",
        [
          '1:15: pools.p.perVantage: expected the key "check" beside it: vantages say what their probes see',
          '1:15: pools.p.perVantage: expected at least one vantage in the section "vantages"',
        ],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2.1, capacity: 0 } } } }",
        ['1:59: pools.p.members.us.capacity: expected a number from 0.001 to 1,000,000,000, found "0"'],
      ],
      [
        "pools: { p: { shedAbove: 85, members: { us: { ipv4: 192.0.2.1 } } } }",
        ['1:26: pools.p.shedAbove: expected a share from 0 to 1, or from 0% to 100%, found "85"'],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2.1, weight: -1 } } } }",
        ['1:57: pools.p.members.us.weight: expected a number from 0 to 1,000,000, found "-1"'],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2.1, weight: .inf } } } }",
        ['1:57: pools.p.members.us.weight: expected a number from 0 to 1,000,000, found ".inf"'],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2.1, wieght: 1 } } } }",
        ['1:49: pools.p.members.us: unknown key "wieght", did you mean "weight"'],
      ],
      [
        "pools: { p: { members: { a: { ipv4: 192.0.2.1, region: su } } } }",
        ['1:56: pools.p.members.a.region: there is no region "su", expected "us" or "eu"'],
      ],
      [
        "pools: { p: { members: { a: { ipv4: 192.0.2.1 } } } }",
        [
          '1:26: pools.p.members.a: expected the key "region", as there is no region "a", expected "us" or "eu"',
        ],
      ],
      [
        "pools: { p: { members: { us: { ipv4: 192.0.2.1 }, eu: { ipv4: 192.0.2.1 } } } }",
        ['1:51: pools.p.members.eu: 192.0.2.1 is the address of member "us" already'],
      ],
      [
        "pools: { p: { check: both, members: { us: { ipv4: 192.0.2.1, port: 8080 } } } }",
        ["1:62: pools.p.members.us.port: expected only with a check of one port"],
      ],
    ],
    "checks: { web: { type: http }, ssh: { type: tcp, port: 22 }, both: { type: calculated, of: [web, ssh] } }\nregions: { us: { at: [1, 1] }, eu: { at: [2, 2] } }",
  );

  test("members without any region are one problem", () => {
    const text = "pools: { p: { members: { a: { ipv4: 192.0.2.1 }, b: { ipv4: 192.0.2.2, region: x } } } }";
    expect(problemsOf(text)).toEqual([
      '1:1: pools: members stand in regions, expected at least one in the section "regions"',
    ]);
  });
});

describe("services", () => {
  checkAll(
    [
      ["services: { a.example: {} }", ['1:13: services.a.example: expected the key "policy"']],
      ["services: { a.example: web }", ['1:24: services.a.example: expected a map, found "web"']],
      [
        "services: { a..b: { policy: web } }",
        ['1:13: services: expected a domain name, but "a..b" has an empty label'],
      ],
      [
        "services: { .: { policy: web } }",
        ['1:13: services: expected a domain name below the root, found "."'],
      ],
      [
        "services: { a.b: { policy: web }, A.B.: { policy: web } }",
        ["1:35: services: this name is there already, and case does not matter in names"],
      ],
      [
        "services: { a: { policy: wbe } }",
        ['1:26: services.a.policy: there is no pool, member or policy "wbe", did you mean "web"'],
      ],
      [
        "services: { a: { policy: web, ttl: 1500ms } }",
        [
          `1:36: services.a.ttl: expected ${duration}, in whole seconds from 0ms to 24h, or { min: 5s, max: 60s }, found "1500ms"`,
        ],
      ],
      [
        "services: { a: { policy: web, ttl: { min: 0s, max: 1m } } }",
        [`1:43: services.a.ttl.min: expected ${duration}, in whole seconds from 1s to 24h, found "0s"`],
      ],
      [
        "services: { a: { policy: web, ttl: { min: 10s, max: 5s } } }",
        ['1:53: services.a.ttl.max: expected at least the min, 10s, found "5s"'],
      ],
      [
        "services: { a: { policy: web, ttl: { min: 10s } } }",
        ['1:31: services.a.ttl: expected the key "max"'],
      ],
      [
        "services: { a: { policy: web, ttl: 25h } }",
        [
          `1:36: services.a.ttl: expected ${duration}, in whole seconds from 0ms to 24h, or { min: 5s, max: 60s }, found "25h"`,
        ],
      ],
      [
        "services: { a: { policy: web, failoverWithin: 15 } }",
        [`1:47: services.a.failoverWithin: expected ${duration}, from 1s to 24h, found "15"`],
      ],
      [
        "services: { a: { policy: web, whenDown: none } }",
        [
          '1:41: services.a.whenDown: expected all, lastGood, nodata, servfail or { fallback: pool }, found "none"',
        ],
      ],
      [
        "services: { a: { policy: web, whenDown: { fallback: web/us } } }",
        ['1:53: services.a.whenDown.fallback: there is no pool "web/us", expected "web"'],
      ],
      [
        "services: { a: { policy: web, whenDown: { fallbak: web } } }",
        [
          '1:31: services.a.whenDown: expected the key "fallback"',
          '1:43: services.a.whenDown: unknown key "fallbak", did you mean "fallback"',
        ],
      ],
      [
        "services: { a: { policy: web, https: { alpn: h2 } } }",
        ['1:46: services.a.https.alpn: expected a list of ALPN identifiers such as h2 and h3, found "h2"'],
      ],
      [
        'services: { a: { policy: web, https: { alpn: ["h2,h3"] } } }',
        ['1:47: services.a.https.alpn[0]: expected an ALPN identifier such as h2, found "h2,h3"'],
      ],
      [
        "services: { a: { policy: web, https: { port: 0 } } }",
        ['1:46: services.a.https.port: expected a whole number from 1 to 65,535, found "0"'],
      ],
      [
        "services: { a: { polcy: web } }",
        [
          '1:13: services.a: expected the key "policy"',
          '1:18: services.a: unknown key "polcy", did you mean "policy"',
        ],
      ],
    ],
    small.trim(),
  );
});

describe("transfer", () => {
  const peer = "k: { from: [192.0.2.1] }";
  checkAll(
    [
      ["transfer: { z.example: {} }", ['1:13: transfer.z.example: expected the key "keys"']],
      [
        "transfer: { z.example: { keys: { k: {} } } }",
        ['1:34: transfer.z.example.keys.k: expected the key "from"'],
      ],
      [
        "transfer: { z.example: { keys: { kk: { from: [] } } } }",
        ['1:34: transfer.z.example.keys: there is no key "kk", expected "k"'],
      ],
      [
        "transfer: { z.example: { keys: { k: { from: [192.0.2.1, 192.0.2.1/32] } } } }",
        ["1:57: transfer.z.example.keys.k.from[1]: this prefix is in the list already"],
      ],
      [
        "transfer: { z.example: { keys: { k: { from: [192.0.2.1], notify: [192.0.2.1, 192.0.2.1:0] } } } }",
        [
          `1:67: transfer.z.example.keys.k.notify[0]: expected ${endpoint}, found "192.0.2.1"`,
          "1:78: transfer.z.example.keys.k.notify[1]: expected the port where the secondary listens, found 0",
        ],
      ],
      [
        `transfer: { z.example: { keys: { ${peer} }, steered: yes } }`,
        ['1:71: transfer.z.example.steered: expected omit, found "yes"'],
      ],
      [
        `transfer: { z.example: { keys: { ${peer} } }, Z.example.: { keys: { ${peer} } } }`,
        ["1:64: transfer: this zone is there already, and case does not matter in names"],
      ],
      [
        `transfer: { a..b: { keys: { ${peer} } } }`,
        ['1:13: transfer: expected the name of a zone, but "a..b" has an empty label'],
      ],
    ],
    `${small.trim()}\nkeys: { k: { secret: k.secret } }`,
  );
});

describe("tests", () => {
  const rest = `services: { www.a: { policy: { weighted: { web: 1 } } } }${small}`;
  const known = 'expected "www.a/web" or "web/us"';
  checkAll(
    [
      ["tests: []", ["1:8: tests: expected a map, found an empty list"]],
      [
        "tests: { a: {} }",
        [
          '1:10: tests.a: expected the key "service"',
          '1:10: tests.a: expected the key "client"',
          '1:10: tests.a: expected the key "expect"',
        ],
      ],
      [
        "tests: { a: { service: ww.a, client: 192.0.2.1, expect: us } }",
        ['1:24: tests.a.service: there is no service "ww.a", did you mean "www.a"'],
      ],
      [
        "tests: { a: { service: www.a, client: Berlin, expect: us } }",
        [
          '1:39: tests.a.client: expected an address, a prefix, or a map of what is known of the client, found "Berlin"',
        ],
      ],
      [
        "tests: { a: { service: www.a, client: { contry: GB, country: UK }, expect: us } }",
        [
          '1:41: tests.a.client: unknown key "contry", did you mean "country"',
          '1:62: tests.a.client.country: there is no ISO 3166-1 country "UK", did you mean "GB"',
        ],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: su, down: web/su, drained: web/us/ipv7 } }",
        [
          '1:51: tests.a.expect: there is no region "su", expected "us"',
          '1:61: tests.a.down: there is no member "web/su", did you mean "web/us"',
          '1:78: tests.a.drained: there is no VIP "web/us/ipv7", did you mean "web/us/ipv4"',
        ],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: [], down: [eu-*, 192.0.2.9] } }",
        [
          "1:51: tests.a.expect: expected a region, pool/member, pool/member/ipv4 or address, found an empty list",
          '1:62: tests.a.down[0]: there is no region "eu-*", expected "us"',
          "1:68: tests.a.down[1]: no member has the address 192.0.2.9",
        ],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: { us: 80%, web/*: 0.3 } } }",
        ["1:43: tests.a.expect: the shares add up to more than 100%"],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: {} } }",
        [
          "1:51: tests.a.expect: expected a region, pool/member, pool/member/ipv4 or address, each with its share, found an empty map",
        ],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: us, tolerance: 1% } }",
        ['1:55: tests.a.tolerance: expected only where "expect" gives shares'],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: us, weights: { www.a/wep: 1, web/us: x } } }",
        [
          `1:66: tests.a.weights: there is no member or choice "www.a/wep", did you mean "www.a/web"`,
          '1:88: tests.a.weights.web/us: expected a number from 0 to 1,000,000, found "x"',
        ],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: us, rtt: { su: 5, us: 61s } } }",
        [
          "1:55: tests.a.rtt: expected only of a service with a `latency` policy",
          '1:62: tests.a.rtt: there is no region "su", expected "us"',
          '1:66: tests.a.rtt.su: expected a duration such as 500ms, 5s, 1m or 1h, from 0ms to 1m, found "5"',
          '1:73: tests.a.rtt.us: expected a duration such as 500ms, 5s, 1m or 1h, from 0ms to 1m, found "61s"',
        ],
      ],
      [
        "tests: { a: { service: www.a, client: {}, expect: us, weights: { all: 1 } } }",
        [`1:66: tests.a.weights: there is no member or choice "all", ${known}`],
      ],
    ],
    rest,
  );

  checkAll(
    [
      // Where a service has problems, a test that names it has none.
      [
        "tests: { a: { service: www.a, client: {}, expect: us } }",
        ['2:30: services.www.a.policy: there is no pool, member or policy "wep", did you mean "web"'],
      ],
    ],
    `services: { www.a: { policy: wep } }${small}`,
  );

  checkAll(
    [
      [
        "tests: { a: { service: www.a, client: {}, expect: eu } }",
        ['1:51: tests.a.expect: no member stands in region "eu"'],
      ],
    ],
    `services: { www.a: { policy: web } }${small.replace("regions: {", "regions: { eu: { at: [0, 0] },")}`,
  );
});

describe("invariants", () => {
  const nothing = 'expected one of the keys "only", "never", "atMost", "answerable" or "answered"';
  checkAll(
    [
      ["invariants: { a: {} }", [`1:15: invariants.a: ${nothing}`]],
      ["invariants: { a: { failures: 1 } }", [`1:15: invariants.a: ${nothing}`]],
      [
        "invariants: { a: { ony: us, answered: allways } }",
        [
          '1:20: invariants.a: unknown key "ony", did you mean "only"',
          '1:39: invariants.a.answered: expected always or while-up, found "allways"',
        ],
      ],
      [
        'invariants: { a: { services: ["*.b", ww.a], only: us } }',
        [
          '1:31: invariants.a.services[0]: no service has a name like "*.b"',
          '1:38: invariants.a.services[1]: there is no service "ww.a", did you mean "www.a"',
        ],
      ],
      [
        "invariants: { a: { services: [], only: us } }",
        ["1:30: invariants.a.services: expected at least one service, found an empty list"],
      ],
      [
        "invariants: { a: { clients: {}, only: us } }",
        ["1:29: invariants.a.clients: expected at least one kind of client, found an empty map"],
      ],
      [
        "invariants: { a: { clients: { countries: [], labels: x }, only: us } }",
        [
          "1:42: invariants.a.clients.countries: expected at least one of them, found an empty list",
          '1:54: invariants.a.clients.labels: expected a list, found "x"',
        ],
      ],
      [
        "invariants: { a: { atMost: 120%, answerable: 0 } }",
        [
          '1:28: invariants.a.atMost: expected a share from 0 to 1, or from 0% to 100%, found "120%"',
          '1:46: invariants.a.answerable: expected a whole number from 1 to 1,000, found "0"',
        ],
      ],
    ],
    `services: { www.a: { policy: web } }${small}`,
  );
});

describe("safety", () => {
  const hours = "days with hours such as mon-fri 08:00-17:00, sat,sun 10:00-12:00 or 00:00-24:00";
  const dates = "a date such as 2026-12-24, or 2026-12-24..2027-01-02";
  checkAll(
    [
      [
        "safety: { minRegionsUp: 0, maxMoved: 120%, noDrillDuringIncident: maybe }",
        [
          '1:25: safety.minRegionsUp: expected a whole number from 1 to 1,000, found "0"',
          '1:38: safety.maxMoved: expected a share from 0 to 1, or from 0% to 100%, found "120%"',
          '1:67: safety.noDrillDuringIncident: expected true or false, found "maybe"',
        ],
      ],
      ...[
        "noon",
        "25:00-26:00",
        "10:00-09:00",
        "10:60-11:00",
        "moon 10:00-11:00",
        "mon-tue-wed 10:00-11:00",
      ].map(
        (text): Case => [
          `safety: { windows: { open: ["${text}"] } }`,
          [`1:29: safety.windows.open[0]: expected ${hours}, found "${text}"`],
        ],
      ),
      ...["2026-02-30", "2026-12-26..2026-12-24", "2026-1-1", "2026-01-01..2026-01-02..2026-01-03"].map(
        (text): Case => [
          `safety: { windows: { blocked: ["${text}"] } }`,
          [`1:32: safety.windows.blocked[0]: expected ${dates}, found "${text}"`],
        ],
      ),
      [
        "safety: { windows: { timeZone: Mars/Olympus } }",
        [
          '1:32: safety.windows.timeZone: expected an IANA time zone such as Europe/Dublin, found "Mars/Olympus"',
        ],
      ],
    ],
    small,
  );
});

describe("alarms", () => {
  checkAll(
    [
      [
        "alarms: { destinations: { hook: { type: hook } } }",
        ['1:41: alarms.destinations.hook.type: expected webhook, slack, pagerduty or email, found "hook"'],
      ],
      [
        "alarms: { destinations: { hook: { type: webhook, url: hook, key: x } } }",
        [
          '1:27: alarms.destinations.hook: expected the key "secret"',
          '1:55: alarms.destinations.hook.url: expected a URL such as https://hooks.example/meridian, found "hook"',
          "1:61: alarms.destinations.hook.key: expected only in a destination of type pagerduty",
        ],
      ],
      [
        'alarms: { destinations: { chat: { type: slack, url: "https://hooks.slack.com/x" } } }',
        [
          "1:53: alarms.destinations.chat.url: a secret does not stand in the config, expected the path of a file with it, or env:NAME",
        ],
      ],
      [
        'alarms:\n  destinations:\n    mail: { type: email, server: smtp, tls: none, from: "a@b.c", to: ["a b@c"], password: p }',
        [
          '3:34: alarms.destinations.mail.server: expected a server with its port such as smtp.example:587, found "smtp"',
          '3:71: alarms.destinations.mail.to[0]: expected a mail address such as ops@example.com, found "a b@c"',
          '3:81: alarms.destinations.mail.password: expected both keys "user" and "password", or neither',
          "3:81: alarms.destinations.mail.password: a password is not sent without TLS",
        ],
      ],
      [
        "alarms: { destinations: { p: { type: pagerduty, key: k } }, routes: { r: { to: [q], severity: bad } } }",
        [
          '1:81: alarms.routes.r.to[0]: there is no destination "q", expected "p"',
          '1:95: alarms.routes.r.severity: expected info, warning or critical, found "bad"',
        ],
      ],
    ],
    "",
  );
});
