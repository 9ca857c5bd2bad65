/** The form in which a node tells an agent what a probe does. */

import Type from "typebox";
import type { ProbeSpec, TcpProbeSpec } from "../config/check.ts";
import type { CheckId } from "../config/config.ts";

/** Probes of one calculated check. */
const PARTS_MAX = 100;

const text = (maxLength: number) => Type.String({ minLength: 1, maxLength });
const orNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
const code = Type.Integer({ minimum: 100, maximum: 599 });
const headers = Type.Record(Type.String(), Type.String({ maxLength: 8_192 }));
const octets = orNull(Type.String({ maxLength: 131_072, pattern: "^([0-9a-f]{2})+$" }));

const common = {
  latencyMs: orNull(Type.Number({ minimum: 0 })),
  inverted: Type.Boolean(),
};
const host = orNull(text(255));
const tls = orNull(Type.Object({ insecure: Type.Boolean(), validForMs: Type.Number({ minimum: 0 }) }));

const field = Type.Union([
  Type.Object({ kind: Type.Literal("is"), text: Type.String({ maxLength: 65_536 }) }),
  Type.Object({ kind: Type.Literal("between"), above: orNull(Type.Number()), below: orNull(Type.Number()) }),
]);

const http = Type.Object({
  ...common,
  kind: Type.Literal("http"),
  version: Type.Union([Type.Literal(1), Type.Literal(2)]),
  tls,
  port,
  method: Type.Union([Type.Literal("GET"), Type.Literal("HEAD")]),
  path: Type.String({ minLength: 1, maxLength: 8_192, pattern: "^/" }),
  host,
  headers,
  expect: Type.Object({
    codes: Type.Array(Type.Tuple([code, code]), { minItems: 1, maxItems: 100 }),
    headers,
    body: orNull(text(65_536)),
    pattern: orNull(text(65_536)),
    json: Type.Record(Type.String(), field),
  }),
  load: orNull(
    Type.Object({
      from: Type.Union([Type.Literal("header"), Type.Literal("json")]),
      name: text(8_192),
      full: Type.Number({ exclusiveMinimum: 0 }),
    }),
  ),
});

const tcp = Type.Object({
  ...common,
  kind: Type.Literal("tcp"),
  tls,
  port,
  host,
  send: octets,
  expect: octets,
});

const dns = Type.Object({
  ...common,
  kind: Type.Literal("dns"),
  port,
  transport: Type.Union([Type.Literal("udp"), Type.Literal("tcp")]),
  qname: text(1_100),
  qtype: Type.Integer({ minimum: 1, maximum: 65_535 }),
  rcodes: Type.Array(Type.Integer({ minimum: 0, maximum: 15 }), { minItems: 1, maxItems: 16 }),
  answers: Type.Array(text(64), { maxItems: 1_000 }),
});

const grpc = Type.Object({
  ...common,
  kind: Type.Literal("grpc"),
  tls,
  port,
  host,
  service: Type.String({ maxLength: 255, pattern: "^[!-~]*$" }),
});

const icmp = Type.Object({ ...common, kind: Type.Literal("icmp") });

const single = Type.Union([http, tcp, dns, grpc, icmp]);

const calculated = Type.Object({
  ...common,
  kind: Type.Literal("calculated"),
  need: Type.Integer({ minimum: 1, maximum: PARTS_MAX }),
  of: Type.Array(Type.Object({ check: Type.Unsafe<CheckId>(text(255)), probe: single }), {
    minItems: 1,
    maxItems: PARTS_MAX,
  }),
});

const schema = Type.Union([single, calculated]);

/** A `ProbeSpec` of the config. */
export const probeSpec: Type.TUnsafe<ProbeSpec> = Type.Unsafe<Type.Static<typeof schema>>(schema);

/** A `TcpProbeSpec` of the config. */
export const tcpProbeSpec: Type.TUnsafe<TcpProbeSpec> = Type.Unsafe<Type.Static<typeof tcp>>(tcp);
