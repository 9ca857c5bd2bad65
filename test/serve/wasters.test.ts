import { expect, test } from "vitest";
import { Wasters } from "../../src/serve/wasters.ts";

test("a client has to wait once it has wasted as many connections as it may, and gets another one each second", () => {
  const wasters = new Wasters(3);
  for (let i = 0; i < 3; i += 1) {
    expect(wasters.mustWait("192.0.2.1", 5_000)).toBe(false);
    wasters.note("192.0.2.1", false, 5_000);
  }
  expect(wasters.mustWait("192.0.2.1", 5_000)).toBe(true);
  expect(wasters.mustWait("192.0.2.2", 5_000)).toBe(false);
  expect(wasters.mustWait("192.0.2.1", 6_000)).toBe(false);
  wasters.note("192.0.2.1", false, 6_000);
  expect(wasters.mustWait("192.0.2.1", 6_000)).toBe(true);
  expect(wasters.mustWait("192.0.2.1", 6_999)).toBe(true);
  expect(wasters.mustWait("192.0.2.1", 7_000)).toBe(false);
});

test("whatever a client wastes, it waits for no more than a second", () => {
  const wasters = new Wasters(2);
  for (let i = 0; i < 1_000; i += 1) wasters.note("192.0.2.1", false, 100);
  expect(wasters.mustWait("192.0.2.1", 1_100)).toBe(false);
});

test("a connection that was of use makes up for one that was not, and for none to come", () => {
  const wasters = new Wasters(1);
  wasters.note("192.0.2.1", true, 0);
  wasters.note("192.0.2.1", false, 0);
  expect(wasters.mustWait("192.0.2.1", 0)).toBe(true);
  wasters.note("192.0.2.1", true, 0);
  expect(wasters.mustWait("192.0.2.1", 0)).toBe(false);
});

test("of more clients than are remembered the one is forgotten that did nothing for longest", () => {
  const wasters = new Wasters(1);
  for (let i = 0; i < 10_000; i += 1) wasters.note(`client ${i}`, false, 0);
  wasters.note("client 0", false, 1);
  wasters.note("one more", false, 1);
  const waiting = ["client 0", "client 1", "client 2", "one more"].map((client) =>
    wasters.mustWait(client, 1),
  );
  expect(waiting).toEqual([true, false, true, true]);
});
