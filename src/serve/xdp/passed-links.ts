/** How the links of interfaces get from a node to its successor: beside the sockets, told in the environment. */

import type { XdpLink } from "./bpf.ts";

const VARIABLE = "MERIDIAN_XDP";

/** What a successor's environment says of links that it gets as the files from number `first` on, in this order. */
export function linksEnvironment(links: ReadonlyMap<string, XdpLink>, first: number): NodeJS.ProcessEnv {
  const said = [...links].map(([name, { mode }], i) => `${name}/${mode}/${first + i}`);
  return said.length === 0 ? {} : { [VARIABLE]: said.join() };
}

/** The links that a predecessor passed, by the names of interfaces. It is said once: no child is to take them for its own. */
export function passedLinks(environment: NodeJS.ProcessEnv): ReadonlyMap<string, XdpLink> {
  const { [VARIABLE]: said = "" } = environment;
  delete environment[VARIABLE];
  const links = said.matchAll(/([^/,]+)\/(native|generic)\/(\d+)/g);
  return new Map(
    Array.from(links, ([, name = "", mode, fd]) => [name, { mode: mode as XdpLink["mode"], fd: Number(fd) }]),
  );
}
