/** What leaves our sockets, as the wire has it. */

import { expect, test } from "vitest";
import { SocketBatch } from "../../src/serve/batch.ts";
import { AF_INET, endpointOf, SOCKADDR_IN, sockaddrOf } from "../../src/serve/endpoint.ts";
import { openUdpSocket } from "../../src/serve/sockets.ts";
import { Linux, systemCalls } from "../../src/serve/system.ts";
import { udpLengthMax } from "../../src/wire/format.ts";
import { endpoint } from "./udp-client.ts";

const SOCK_RAW = 3;
const IPPROTO_UDP = 17;

/** The flags of an IPv4 header, before 13 bits of an offset (RFC 791 §3.1). */
const FLAGS_AT = 6;
const DF = 0x40;

/** Nobody else's, so that no other packet is heard. */
const ADDRESS = "127.0.153.53";

const calls = systemCalls();

/** Hears UDP packets with their IP headers; -1 where that is not allowed. */
const wire = calls?.socket(AF_INET, SOCK_RAW | Linux.SOCK_CLOEXEC, IPPROTO_UDP) ?? -1;

test.skipIf(calls === null || wire < 0)(
  "no router may fragment a response (RFC 9715 §3.1) (needs CAP_NET_RAW)",
  () => {
    if (calls === null) return;
    calls.bind(wire, sockaddrOf(endpoint(ADDRESS)), SOCKADDR_IN);
    const heard = new SocketBatch(
      calls,
      { fd: wire, family: 4, wildcard: false, endpoint: endpoint(ADDRESS) },
      0,
    );
    // Until it was bound it heard all that ran beside it.
    while (heard.receive(Linux.MSG_DONTWAIT));
    const { fd } = openUdpSocket(calls, endpoint(ADDRESS));
    const itself = new Uint8Array(SOCKADDR_IN);
    calls.getsockname(fd, itself, Uint32Array.of(itself.length));
    expect(endpointOf(itself)?.address.text).toBe(ADDRESS);
    const message = new Uint8Array(udpLengthMax);
    expect(calls.sendto(fd, message, message.length, 0, itself, itself.length)).toBe(message.length);
    heard.receive(Linux.MSG_DONTWAIT);
    calls.close(fd);
    calls.close(wire);
    expect(heard.packets.slice(0, heard.count).map(({ octets }) => octets[FLAGS_AT])).toEqual([DF]);
  },
);
