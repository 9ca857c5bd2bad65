/** Name servers of others that are secondaries of a zone: they transfer it with a key when they are told to. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { has } from "./harness.ts";
import { namedOptions } from "./named.ts";

/** Whose zone it is, and with what it is transferred. */
interface Primary {
  readonly zone: string;
  readonly port: number;
  /** Where it speaks TLS, and the certificate that it shows as `dns.test`. */
  readonly tlsPort: number;
  readonly certificate: string;
  readonly key: string;
  /** In base64. */
  readonly secret: string;
}

/** A server that is to be a secondary. */
export interface Secondary {
  readonly name: string;
  readonly program: string;
  /** Writes its configuration and says what to run. */
  command(folder: string, port: number, primary: Primary): readonly string[];
}

const KNOT: Secondary = {
  name: "Knot",
  program: "knotd",
  command: (folder, port, primary) => {
    const config = join(folder, "knot.conf");
    writeFileSync(
      config,
      `server:
    listen: 127.0.0.1@${port}
    rundir: ${folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stdout
    any: info
database:
    storage: ${folder}
key:
  - id: ${primary.key}
    algorithm: hmac-sha256
    secret: ${primary.secret}
remote:
  - id: primary
    address: 127.0.0.1@${primary.port}
    key: ${primary.key}
acl:
  - id: notified
    key: ${primary.key}
    action: notify
zone:
  - domain: ${primary.zone}
    file: ${folder}/zone
    master: primary
    acl: notified
`,
    );
    return ["knotd", "-c", config];
  },
};

const NSD: Secondary = nsd("NSD", false);
const NSD_TLS: Secondary = nsd("NSD-over-TLS", true);
const BIND: Secondary = bind("BIND", false);
const BIND_TLS: Secondary = bind("BIND-over-TLS", true);

/** NSD; over TLS it transfers from nobody who does not show the certificate (RFC 9103). */
function nsd(name: string, overTls: boolean): Secondary {
  const command: Secondary["command"] = (folder, port, primary) => {
    const config = join(folder, "nsd.conf");
    const at = overTls ? `${primary.tlsPort} ${primary.key} primary` : `${primary.port} ${primary.key}`;
    writeFileSync(
      config,
      `server:
  ip-address: 127.0.0.1@${port}
  username: ""
  chroot: ""
  zonesdir: "${folder}"
  database: ""
  pidfile: "${folder}/nsd.pid"
  xfrdfile: "${folder}/xfrd.state"
  zonelistfile: "${folder}/zone.list"
  xfrdir: "${folder}"
  xfrd-reload-timeout: 0
  server-count: 1
  verbosity: 2
  tls-cert-bundle: "${primary.certificate}"
tls-auth:
  name: "primary"
  auth-domain-name: "dns.test"
remote-control:
  control-enable: no
key:
  name: "${primary.key}"
  algorithm: hmac-sha256
  secret: "${primary.secret}"
zone:
  name: "${primary.zone}"
  zonefile: "zone"
  request-xfr: 127.0.0.1@${at}
  allow-notify: 127.0.0.1 ${primary.key}
`,
    );
    return ["nsd", "-d", "-c", config];
  };
  return { name, program: "nsd", command };
}

/** BIND, in the same way. */
function bind(name: string, overTls: boolean): Secondary {
  const command: Secondary["command"] = (folder, port, primary) => {
    const config = join(folder, "named.conf");
    const at = overTls
      ? `port ${primary.tlsPort} key "${primary.key}" tls primary`
      : `port ${primary.port} key "${primary.key}"`;
    writeFileSync(
      config,
      `${namedOptions(folder, port, "recursion no", "dnssec-validation no", "notify no")}tls primary { ca-file "${primary.certificate}"; remote-hostname "dns.test"; };
key "${primary.key}" { algorithm hmac-sha256; secret "${primary.secret}"; };
zone "${primary.zone}" {
  type secondary;
  file "zone";
  primaries { 127.0.0.1 ${at}; };
  allow-notify { key "${primary.key}"; };
};
`,
    );
    return ["named", "-g", "-n", "1", "-c", config];
  };
  return { name, program: "named", command };
}

const ALL = [KNOT, NSD, BIND, NSD_TLS, BIND_TLS];
/** Those that can be started here, and the names of the others. */
export const SECONDARIES: readonly Secondary[] = ALL.filter(({ program }) => has(program));
export const MISSING: readonly string[] = ALL.filter(({ program }) => !has(program)).map(({ name }) => name);

/** A folder of its own below another. */
export function folderOf({ name }: Secondary, folder: string): string {
  const own = join(folder, name);
  mkdirSync(own);
  return own;
}
