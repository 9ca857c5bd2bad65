/** Looking at the parent: its servers are found and asked, and what does not answer as it should is never taken for an answer. */

import { describe, expect, test } from "vitest";
import type { Endpoint } from "../../src/config/node.ts";
import { lookAtParent } from "../../src/control/parent.ts";
import type { ParentView } from "../../src/dnssec/parent-ds.ts";
import { nameOf } from "../dnssec/zone-text.ts";
import { ParentServer } from "./parent-server.ts";

const apex = nameOf("gslb.test.example.");
const ds = Uint8Array.of(1, 2, 13, 2, ...new Uint8Array(32));

function look(parent: readonly Endpoint[], resolver: Endpoint | null = null): Promise<ParentView> {
  return lookAtParent(apex, { parent, resolver }, () => 7);
}

describe("each server of the parent", () => {
  test("is asked, and says its DS RRset with its TTL, or that there is none", async () => {
    const [first, second] = [await ParentServer.open(), await ParentServer.open()];
    first.ds = [ds];
    expect(await look([first.endpoint, second.endpoint])).toEqual({
      atMs: 7,
      servers: [
        { kind: "answered", server: "127.0.0.1", ds: [ds], ttlSeconds: 5 },
        { kind: "answered", server: "127.0.0.1", ds: [], ttlSeconds: null },
      ],
      problem: null,
    });
  });

  test.each([
    ["lame", /no server of the parent zone$/],
    ["garbled", /its answer is malformed$/],
    ["other", /it answers something else$/],
    ["refusing", /it answers with RCODE 5$/],
    ["hanging up", /it closed the connection$/],
  ] as const)("that is %s is silent, and why is told", async (manner, problem) => {
    const server = await ParentServer.open();
    server.ds = [ds];
    server.manner = manner;
    expect((await look([server.endpoint])).servers).toEqual([
      { kind: "silent", server: "127.0.0.1", problem: expect.stringMatching(problem) },
    ]);
  });

  test("that says nothing is given up", async () => {
    const server = await ParentServer.open();
    server.manner = "mute";
    const startedMs = performance.now();
    expect((await look([server.endpoint])).servers).toMatchObject([
      { problem: "127.0.0.1: no answer in time" },
    ]);
    expect(performance.now() - startedMs).toBeGreaterThan(3900);
  });
});

describe("a resolver", () => {
  test("finds the servers of the closest zone above", async () => {
    const resolver = await ParentServer.open();
    // `test.example` is no zone, and nobody listens on port 53 of the address that `example` is served from.
    expect((await look([], resolver.endpoint)).servers).toEqual([
      {
        kind: "silent",
        server: "ns.parent.example.",
        problem: expect.stringMatching(/^127\.255\.255\.254: /),
      },
    ]);
  });

  test("that knows no zone above, or does not answer, is why nothing was seen", async () => {
    const resolver = await ParentServer.open();
    const away = await ParentServer.open();
    const { endpoint } = away;
    away.close();
    const view = await lookAtParent(
      nameOf("gslb.test."),
      { parent: [], resolver: resolver.endpoint },
      () => 7,
    );
    expect(view).toEqual({ atMs: 7, servers: [], problem: "the resolver knows no zone above gslb.test." });
    expect((await look([], endpoint)).problem).toMatch(/^resolver 127\.0\.0\.1: .*ECONNREFUSED/);
  });
});
