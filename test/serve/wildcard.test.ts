import type { NetworkInterfaceInfo } from "node:os";
import { describe, expect, test } from "vitest";
import { defaultAnswerOptions } from "../../src/answer/options.ts";
import { SocketSet, systemCallsFor } from "../../src/serve/socket-set.ts";
import { systemCalls } from "../../src/serve/system.ts";
import { withoutWildcards } from "../../src/serve/udp-datagram.ts";
import { UdpWorkers } from "../../src/serve/udp-workers.ts";
import { counterRow, newCounters } from "../../src/telemetry/counters.ts";
import { EchoForwarder } from "./echo-forwarder.ts";
import { Command } from "./toy-responder.ts";
import { ask, endpoint, query } from "./udp-client.ts";

const BATCHES_WORK = systemCalls() !== null;

async function serve(mode: "batch" | "datagram", address: string, port = 0): Promise<UdpWorkers> {
  const calls = systemCallsFor(mode);
  return await UdpWorkers.start({
    endpoints: [endpoint(address, port)],
    workers: 1,
    sockets: calls === null ? null : new SocketSet(calls, []),
    book: null,
    challenges: null,
    options: defaultAnswerOptions,
    counters: newCounters(2),
    firstRow: 0,
    samples: null,
    ownCounters: counterRow(newCounters(1), 0),
    onEvent: () => {},
    forwarder: new EchoForwarder(),
    responder: new URL("./toy-responder.ts", import.meta.url),
  });
}

describe.skipIf(!BATCHES_WORK)(
  `wildcard sockets in batches${BATCHES_WORK ? "" : " (skipped: needs koffi and Linux)"}`,
  () => {
    test.each([
      ["0.0.0.0", ["127.0.0.2", "127.0.0.1", "127.9.8.7"]],
      ["::", ["::1"]],
    ])("a socket on %s replies from the address that was asked", async (wildcard, asked) => {
      const workers = await serve("batch", wildcard);
      const { port } = workers.addresses()[0]!;
      for (const address of [...asked, ...asked]) {
        const reply = await ask(endpoint(address, port), query(1, Command.Echo));
        expect(reply?.from).toMatchObject({ address, port });
        const late = await ask(endpoint(address, port), query(2, Command.Forward));
        expect(late?.from).toMatchObject({ address, port });
      }
      await workers.stop();
    });

    test("0.0.0.0 and :: share a port", async () => {
      const first = await serve("batch", "0.0.0.0");
      const { port } = first.addresses()[0]!;
      const second = await serve("batch", "::", port);
      for (const address of ["127.0.0.1", "::1"]) {
        expect(await ask(endpoint(address, port), query(1, Command.Echo))).not.toBeNull();
      }
      await Promise.all([first.stop(), second.stop()]);
    });
  },
);

describe("wildcards by datagram", () => {
  const interfaces = {
    lo: [own("127.0.0.1"), own("::1")],
    eth0: [own("192.0.2.7"), own("2001:db8::7"), { ...own("fe80::7"), scopeid: 2 }],
  };

  test.each([
    ["0.0.0.0", ["127.0.0.1", "192.0.2.7"]],
    ["::", ["::1", "2001:db8::7"]],
    ["192.0.2.9", ["192.0.2.9"]],
  ])("%s stands for %j", (address, expected) => {
    const endpoints = withoutWildcards([endpoint(address, 53)], interfaces);
    expect(endpoints.map((each) => each.address.text)).toEqual(expected);
    expect(new Set(endpoints.map((each) => each.port))).toEqual(new Set([53]));
  });

  test("every address that a wildcard stands for replies from itself", async () => {
    const workers = await serve("datagram", "0.0.0.0");
    expect(workers.addresses().map((at) => at.address.text)).toContain("127.0.0.1");
    for (const at of workers.addresses()) {
      const reply = await ask(at, query(1, Command.Echo));
      expect(reply?.from).toMatchObject({ address: at.address.text, port: at.port });
    }
    await workers.stop();
  });
});

function own(address: string): NetworkInterfaceInfo {
  const common = { address, netmask: "", mac: "", internal: false, cidr: null };
  return address.includes(":") ? { ...common, family: "IPv6", scopeid: 0 } : { ...common, family: "IPv4" };
}
