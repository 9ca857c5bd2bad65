/** What of the hot path V8 has compiled, and what undoes it. */

import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { expect, test } from "vitest";
import type * as ClientModule from "../../src/answer/client.ts";
import type * as ResponderModule from "../../src/answer/responder.ts";
import { Transport } from "../../src/answer/transport.ts";
import { inlineHotPath } from "../../src/serve/compiler.ts";
import { LinkedModules, readModules } from "../../src/serve/linked.ts";
import type * as PacketModule from "../../src/wire/packet.ts";
import { queryOf, queryWith } from "../answer/harness.ts";
import { tortureServer } from "../conformance/torture-server.ts";

const WAYS: readonly Uint8Array[] = [
  queryOf("www.t", "AAAA"),
  queryOf("www.t", "HTTPS"),
  queryOf("www.t", "TXT"),
  queryOf("several.t", "A"),
  queryOf("v4only.t", "AAAA"),
  queryOf("www.t", "A", { subnet: "2001:db8:1::/56" }),
  queryOf("nothing.there.t", "A"),
  queryOf("t", "SOA"),
  queryOf("t", "ANY"),
  queryOf("t", "AXFR"),
  queryOf("elsewhere.example", "A"),
  queryWith("www.t", "A", [10, "0102030405060708"]),
  queryOf("t", "SOA").subarray(0, 14),
];

/** What of the answer V8 has left after one query of each of `WAYS`, once it had compiled what most clients ask. */
async function isStillCompiled(isWarm: boolean): Promise<boolean> {
  const server = tortureServer();
  // One set of modules, as in a worker: V8 tells objects of the same class apart where the class was loaded twice.
  const urlOf = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href;
  const paths = ["answer/responder.ts", "answer/client.ts", "wire/packet.ts"];
  const linked = new LinkedModules(readModules(...paths.map(urlOf)));
  const { createResponder } = linked.load(urlOf("answer/responder.ts")) as typeof ResponderModule;
  const { Client } = linked.load(urlOf("answer/client.ts")) as typeof ClientModule;
  const { Packet } = linked.load(urlOf("wire/packet.ts")) as typeof PacketModule;
  const responder = createResponder(server.served, server.counters, server.options);
  if (isWarm) responder.warmUp(server.served, 1_000);
  const client = new Client();
  const packet = new Packet(new Uint8Array(1_232));
  const ask = (query: Uint8Array): void => {
    packet.octets.set(query);
    responder.answer(packet, query.length, client, Transport.Udp, 1_000);
  };
  // Otherwise the answer would become a part of it.
  native("NeverOptimizeFunction")(ask);
  const usual = queryOf("www.t", "A", { subnet: "198.51.100.0/24" });
  for (let i = 0; i < 1_000 && !isCompiled(responder.answer); i += 1) {
    for (let k = 0; k < 1_000; k += 1) ask(usual);
    // What was compiled beside this thread is put into force between two tasks.
    await setImmediate();
  }
  expect(isCompiled(responder.answer)).toBe(true);
  for (const query of WAYS) ask(query);
  return isCompiled(responder.answer);
}

/** What V8's tests may ask of V8 (runtime.h); Node's parser does not know the form without the flag. */
function native<T>(call: string): (f: unknown) => T {
  setFlagsFromString("--allow-natives-syntax");
  return new Function("f", `return %${call}(f);`) as (f: unknown) => T;
}

/** Whether V8's last compiler has done its work on a function, and nothing has undone it. */
function isCompiled(f: unknown): boolean {
  const TURBOFAN = 1 << 5;
  return (native<number>("GetOptimizationStatus")(f) & TURBOFAN) !== 0;
}

test("the first query of a kind does not undo what V8 has compiled of the others", async () => {
  inlineHotPath();
  expect(await isStillCompiled(false)).toBe(false);
  expect(await isStillCompiled(true)).toBe(true);
});
