/** Real validators that resolve through a node: delv, unbound and BIND, each with a zone's key as its trust anchor. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, type Lab, type Program, until } from "./harness.ts";
import { namedOptions } from "./named.ts";
import type { Site } from "./site.ts";

/** A validating resolver that asks the node. */
export class Resolver {
  readonly port: number;
  readonly #lab: Lab;

  constructor(lab: Lab, port: number) {
    this.#lab = lab;
    this.port = port;
  }

  /** What dig prints. */
  async ask(name: string, type: string): Promise<string> {
    const args = [
      "@127.0.0.1",
      "-p",
      String(this.port),
      "+time=5",
      "+tries=2",
      "+dnssec",
      "+rec",
      name,
      type,
    ];
    const program = this.#lab.start("dig", "dig", args);
    await program.ended;
    return program.output;
  }
}

/** Asks delv, which asks the node itself and validates with a trust anchor; returns what it says, on one line. */
export async function delv(
  lab: Lab,
  site: Site,
  anchor: string,
  ...question: readonly string[]
): Promise<string> {
  const [owner = ""] = anchor.split(" ");
  const anchors = join(lab.folder, `${site.port}.${owner}anchors`);
  // Another delv may be reading it.
  if (!existsSync(anchors)) writeFileSync(anchors, trustAnchors(anchor));
  const server = ["@127.0.0.1", "-p", String(site.port)];
  const program = lab.start("delv", "delv", [
    ...server,
    "-a",
    anchors,
    `+root=${owner}`,
    "+multiline",
    ...question,
  ]);
  await program.ended;
  return program.output.replaceAll(/\s+/g, " ");
}

/** The DNSKEY that `meridian key add` has made for the one zone that has keys of that name, as a line of a master file. */
export function anchorOf(site: Site, zone: string): string {
  const keys = join(site.folder, "var/keys");
  const file = readdirSync(keys).find((name) => name.startsWith(`K${zone}.+`) && name.endsWith(".key"));
  return readFileSync(join(keys, file ?? ""), "utf8").trim();
}

async function ready(resolver: Resolver, program: Program): Promise<Resolver> {
  const isReady = async (): Promise<boolean> => /status:/.test(await resolver.ask("gslb.example", "SOA"));
  await until(`${program.name} answers`, async () => program.hasEnded || (await isReady()));
  return resolver;
}

/** Starts unbound with a trust anchor: the zone's DNSKEY; `label` tells it from others in the lab. */
export function startUnbound(lab: Lab, site: Site, anchor: string, label: string): Promise<Resolver> {
  return startUnboundWith(lab, site, label, [
    'module-config: "validator iterator"',
    `trust-anchor: "${anchor}"`,
  ]);
}

/** Starts unbound with these lines in its section `server`. */
export async function startUnboundWith(
  lab: Lab,
  site: Site,
  label: string,
  settings: readonly string[],
): Promise<Resolver> {
  const port = await freePort();
  const file = join(lab.folder, `unbound-${label}.conf`);
  writeFileSync(
    file,
    `server:
  interface: 127.0.0.1@${port}
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "${lab.folder}"
  pidfile: ""
  use-syslog: no
  do-not-query-localhost: no
  ${settings.join("\n  ")}
  local-zone: "example." nodefault
  private-address: 10.0.0.0/8
forward-zone:
  name: "gslb.example"
  forward-addr: 127.0.0.1@${site.port}
remote-control:
  control-enable: no
`,
  );
  const program = lab.start("unbound", "unbound", ["-c", file, "-d"]);
  return ready(new Resolver(lab, port), program);
}

/** Starts BIND in the same way. */
export function startNamed(lab: Lab, site: Site, anchor: string, label: string): Promise<Resolver> {
  return startNamedWith(lab, site, label, "dnssec-validation yes", trustAnchors(anchor));
}

/** Starts BIND with one more option, and more statements. */
export async function startNamedWith(
  lab: Lab,
  site: Site,
  label: string,
  option: string,
  statements: string,
): Promise<Resolver> {
  const port = await freePort();
  const folder = join(lab.folder, `named-${label}`);
  mkdirSync(folder);
  writeFileSync(
    join(folder, "named.conf"),
    `${namedOptions(
      folder,
      port,
      "recursion yes",
      "allow-query { any; }",
      option,
      `managed-keys-directory "${folder}"`,
      "empty-zones-enable no",
    )}${statements}
zone "gslb.example" { type forward; forward only; forwarders { 127.0.0.1 port ${site.port}; }; };
`,
  );
  const program = lab.start("named", "named", ["-c", join(folder, "named.conf"), "-f", "-g", "-n", "1"]);
  return ready(new Resolver(lab, port), program);
}

/** The DNSKEY of a key file as BIND and delv trust it. */
export function trustAnchors(dnskey: string): string {
  const [owner = "", , , , flags = "", protocol = "", number = "", key = ""] = dnskey.split(" ");
  return `trust-anchors { "${owner}" static-key ${flags} ${protocol} ${number} "${key}"; };\n`;
}
