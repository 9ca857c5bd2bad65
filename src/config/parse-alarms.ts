/** The section `alarms`: who is told when something is wrong. */

import {
  type AlarmConfig,
  type AlarmRoute,
  type Destination,
  SEVERITIES,
  type SecretSource,
} from "./alarms.ts";
import { keys } from "./keys.ts";
import { parseServicePatterns } from "./parse-invariant.ts";
import { parsePath } from "./parse-node.ts";
import { placeOf, type RuleContext } from "./parse-test.ts";
import { type Fields, formatChoice, type Reader } from "./read.ts";
import { portRange } from "./units.ts";

type DestinationFields = Fields<(typeof keys)["alarms.destinations.*"][number]>;

const kinds = ["webhook", "slack", "pagerduty", "email"] as const;

/** The kinds of destinations that a key is for, where it is not for all. */
const kindsOfKey: Partial<Record<DestinationFields["given"][number], readonly Destination["kind"][]>> = {
  url: ["webhook", "slack", "pagerduty"],
  secret: ["webhook"],
  key: ["pagerduty"],
  server: ["email"],
  tls: ["email"],
  from: ["email"],
  to: ["email"],
  user: ["email"],
  password: ["email"],
};

const PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue";
const DAY_MS = 86_400_000;

const delayRange = { least: 0, most: DAY_MS };
const groupRange = { least: 0, most: 3_600_000 };
const endRange = { least: 0, most: 365 * DAY_MS };

/** Neither ends a header or a command of SMTP early. */
const mailAddress = /^[^\s@<>,;:"\\]+@[^\s@<>,;:"\\]+$/;
const server = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/;
const variable = /^env:([A-Za-z_][A-Za-z0-9_]*)$/;

interface Context extends RuleContext {
  readonly folder: string;
}

/** The section `alarms`; null where it is not given: nobody is told. Relative paths start at `folder`. */
export function parseAlarms(reader: Reader | null, context: Context): AlarmConfig {
  const alarms = reader?.fields(keys.alarms);
  const named = alarms?.optional("destinations")?.named() ?? [];
  const declared = new Map(named.map(({ name }) => [name, name]));
  return {
    destinations: new Map(
      named.flatMap(({ name, value }) => {
        const destination = parseDestination(name, value, context);
        return destination === null ? [] : [[name, destination] as const];
      }),
    ),
    routes: (alarms?.optional("routes")?.named() ?? []).map(({ name, value }) =>
      parseRoute(name, value, declared, context),
    ),
    overrideEndsWithinMs: alarms?.optional("overrideEndsWithin")?.duration(endRange) ?? 600_000,
    certificateEndsWithinMs: alarms?.optional("certificateEndsWithin")?.duration(endRange) ?? 14 * DAY_MS,
  };
}

function parseRoute(
  name: string,
  reader: Reader,
  destinations: ReadonlyMap<string, string>,
  context: Context,
): AlarmRoute {
  const route = reader.fields(keys["alarms.routes.*"]);
  const to = route.required("to")?.items("a list of destinations", "destination") ?? [];
  const services = route.optional("services");
  return {
    name,
    to: to.flatMap((item) => item.reference("destination", destinations) ?? []),
    severity: route.optional("severity")?.oneOf(SEVERITIES) ?? "warning",
    services: services === null ? null : parseServicePatterns(services, context),
    delayMs: route.optional("delay")?.duration(delayRange) ?? 0,
    groupMs: route.optional("group")?.duration(groupRange) ?? 5_000,
    recovery: route.optional("recovery")?.boolean() ?? true,
  };
}

function parseDestination(id: string, reader: Reader, context: Context): Destination | null {
  const fields = reader.fields(keys["alarms.destinations.*"]);
  const kind = fields.required("type")?.oneOf(kinds) ?? null;
  const common = { id, ca: parsePath(fields.optional("ca"), context.folder) };
  if (kind === null) return null;
  for (const key of fields.given) {
    const allowed = kindsOfKey[key];
    if (allowed !== undefined && !allowed.includes(kind))
      fields.optional(key)?.problemAtKey(`expected only in a destination of type ${formatChoice(allowed)}`);
  }
  switch (kind) {
    case "webhook": {
      const url = parseUrl(fields.required("url"));
      const secret = parseSecret(fields.required("secret"), context);
      return secret === null ? null : { ...common, kind, url: url ?? "", secret };
    }
    case "slack": {
      const url = parseSecret(fields.required("url"), context);
      return url === null ? null : { ...common, kind, url };
    }
    case "pagerduty": {
      const url = parseUrl(fields.optional("url")) ?? PAGERDUTY_URL;
      const key = parseSecret(fields.required("key"), context);
      return key === null ? null : { ...common, kind, url, key };
    }
    case "email":
      return parseEmail(fields, common, context);
  }
}

function parseEmail(
  fields: DestinationFields,
  common: Pick<Destination, "id" | "ca">,
  context: Context,
): Destination {
  const [, ipv6, name, port] =
    server.exec(
      fields.required("server")?.matching(server, "a server with its port such as smtp.example:587") ?? "",
    ) ?? [];
  if (port !== undefined && (Number(port) < portRange.least || Number(port) > portRange.most))
    fields.optional("server")?.expected("a port from 1 to 65,535");
  const to = fields.required("to")?.items("a list of mail addresses", "mail address") ?? [];
  const user = fields.optional("user")?.text("a user name") ?? null;
  const password = parseSecret(fields.optional("password"), context);
  if ((fields.optional("user") === null) !== (fields.optional("password") === null))
    (fields.optional("user") ?? fields.optional("password"))?.problemAtKey(
      'expected both keys "user" and "password", or neither',
    );
  const tls = fields.optional("tls")?.oneOf(["starttls", "implicit", "none"]) ?? "starttls";
  if (tls === "none" && password !== null)
    fields.optional("password")?.problemAtKey("a password is not sent without TLS");
  return {
    ...common,
    kind: "email",
    host: ipv6 ?? name ?? "",
    port: Number(port),
    tls,
    from: parseMailAddress(fields.required("from")) ?? "",
    to: to.flatMap((item) => parseMailAddress(item) ?? []),
    login: user === null || password === null ? null : { user, password },
  };
}

function parseMailAddress(reader: Reader | null): string | null {
  return reader?.matching(mailAddress, "a mail address such as ops@example.com") ?? null;
}

function parseUrl(reader: Reader | null): string | null {
  const text = reader?.matching(/^https?:\/\/\S+$/, "a URL such as https://hooks.example/meridian") ?? null;
  if (text === null || reader === null || URL.canParse(text)) return text;
  reader.expected("a URL such as https://hooks.example/meridian");
  return null;
}

/** A path, or `env:NAME`. The secret itself never stands in a config. */
function parseSecret(reader: Reader | null, { file, folder }: Context): SecretSource | null {
  const text = reader?.text("the path of a file with the secret, or env: and the name of a variable") ?? null;
  if (reader === null || text === null) return null;
  if (/^https?:/.test(text))
    reader.problem("a secret does not stand in the config, expected the path of a file with it, or env:NAME");
  const place = placeOf(reader, file);
  const [, name] = variable.exec(text) ?? [];
  if (name !== undefined) return { from: "environment", variable: name, place };
  return { from: "file", file: parsePath(reader, folder) ?? "", place };
}
