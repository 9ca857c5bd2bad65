import { expect, test } from "vitest";
import type { Member, Pool } from "../../src/config/config.ts";
import { trackedVips } from "../../src/health/tracked.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { checkWith, configWith, memberOf, poolId, vipId } from "./fixtures.ts";

test("every VIP is tracked with its check, its address and port, and the VIP that judges it", () => {
  const check = checkWith();
  const single = memberOf("web", "a", "dublin", 1);
  const v6 = {
    id: vipId("web/a/ipv6"),
    address: parseAddress("2001:db8::1")!,
    judgedBy: vipId("web/a/ipv4"),
    port: 81,
  };
  const dual: Member = { ...single, ipv6: v6 };
  const pools: readonly Pool[] = [
    { id: poolId("web"), check: check.id, members: [dual], minUp: 0, signals: null, perVantage: true },
    {
      id: poolId("static"),
      check: null,
      members: [memberOf("static", "b", "dublin", 2)],
      minUp: 0,
      signals: null,
      perVantage: false,
    },
  ];
  expect(trackedVips(configWith({ checks: [check], pools }))).toEqual([
    {
      vip: "web/a/ipv4",
      address: "192.0.2.1 ",
      judgedBy: "web/a/ipv4",
      check,
      signalsFreshMs: null,
      perVantage: true,
    },
    {
      vip: "web/a/ipv6",
      address: "2001:db8::1 81",
      judgedBy: "web/a/ipv4",
      check,
      signalsFreshMs: null,
      perVantage: true,
    },
    {
      vip: "static/b/ipv4",
      address: "192.0.2.2 ",
      judgedBy: "static/b/ipv4",
      check: null,
      signalsFreshMs: null,
      perVantage: false,
    },
  ]);
});
