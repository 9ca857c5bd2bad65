import { describe, expect, test } from "vitest";
import { Client } from "../../src/answer/client.ts";
import {
  formatEndpoint,
  isWildcard,
  readSockaddr,
  setClient,
  sockaddrOf,
  withoutZone,
} from "../../src/serve/endpoint.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { endpoint } from "./udp-client.ts";

describe("endpoints", () => {
  test.each([
    ["192.0.2.1", 53, "192.0.2.1:53", "02000035c00002010000000000000000"],
    [
      "2001:db8::1",
      5300,
      "[2001:db8::1]:5300",
      `0a0014b400000000${"20010db8000000000000000000000001"}00000000`,
    ],
  ])("%s port %i is %s, and the sockaddr of Linux", (text, port, formatted, hex) => {
    const given = endpoint(text, port);
    expect(formatEndpoint(given)).toBe(formatted);
    const sockaddr = sockaddrOf(given);
    expect(Buffer.from(sockaddr).toString("hex")).toBe(hex);
    const client = new Client();
    readSockaddr(Buffer.concat([Buffer.alloc(5), sockaddr]), 5, client);
    expect(client.family).toBe(given.address.family);
    expect(client.address.slice(0, given.address.bytes.length)).toEqual(given.address.bytes);
  });

  test("only 0.0.0.0 and :: are wildcards", () => {
    const wildcards = ["0.0.0.0", "::", "0.0.0.1", "::1"].filter((text) => isWildcard(parseAddress(text)!));
    expect(wildcards).toEqual(["0.0.0.0", "::"]);
  });

  test("a client at an IPv4-mapped address is one at the IPv4 address (RFC 4291 §2.5.5.2)", () => {
    const mapped = Buffer.from("00000000000000000000ffffc0000207", "hex");
    const client = new Client();
    setClient(client, mapped);
    expect(client.family).toBe(4);
    expect([...client.address.subarray(0, 4)]).toEqual([192, 0, 2, 7]);
    mapped[0] = 1;
    setClient(client, mapped);
    expect(client.family).toBe(6);
    expect([...client.address]).toEqual([...mapped]);
  });

  test("a zone identifier is no part of the address", () => {
    expect(withoutZone("fe80::1%eth0")).toBe("fe80::1");
    expect(withoutZone("192.0.2.1")).toBe("192.0.2.1");
  });
});
