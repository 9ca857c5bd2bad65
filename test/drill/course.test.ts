/** Looks at a route become runs. */

import { describe, expect, test } from "vitest";
import { CourseRecorder } from "../../src/drill/course.ts";
import type { Observation } from "../../src/drill/observation.ts";

const route = { label: "www.test.example", family: 4, node: null } as const;

function look(
  askedAtMs: number,
  addresses: readonly string[] | null,
  more: Partial<Observation> & { readonly ttlSeconds?: number } = {},
): Observation {
  const { ttlSeconds = 5, connection = null } = more;
  const reply = addresses === null ? null : { atMs: askedAtMs + 1, rcode: 0, addresses, ttlSeconds };
  return { askedAtMs, reply, connection };
}

function courseOf(...looks: readonly Observation[]): CourseRecorder {
  const course = new CourseRecorder(route, () => true);
  for (const each of looks) course.add(each);
  return course;
}

describe("a course", () => {
  test("is one run while the same is answered, whatever its order and TTL", () => {
    const { runs } = courseOf(
      look(100, ["10.0.0.1", "10.0.0.2"]),
      look(300, ["10.0.0.2", "10.0.0.1"], { ttlSeconds: 299 }),
      look(500, ["10.0.0.1", "10.0.0.2"], { ttlSeconds: 4 }),
    );
    expect(runs).toEqual([
      {
        rcode: 0,
        addresses: ["10.0.0.1", "10.0.0.2"],
        connection: "none",
        looks: 3,
        firstAskedAtMs: 100,
        firstSeenAtMs: 101,
        lastAskedAtMs: 500,
        connectedAtMs: null,
        ttlSecondsMax: 299,
      },
    ]);
  });

  test("begins a run with another answer, with silence, and when connections end otherwise", () => {
    const { runs } = courseOf(
      look(100, ["10.0.0.1"], { connection: { endedAtMs: 110, problem: null } }),
      look(300, ["10.0.0.1"], { connection: { endedAtMs: 1_300, problem: "timeout" } }),
      look(500, null),
      look(700, ["10.0.0.2"], { connection: { endedAtMs: 710, problem: null } }),
      look(900, []),
    );
    expect(
      runs.map(({ addresses, connection, connectedAtMs }) => [addresses, connection, connectedAtMs]),
    ).toEqual([
      [["10.0.0.1"], "made", 110],
      [["10.0.0.1"], "failed", 1_300],
      [[], "none", null],
      [["10.0.0.2"], "made", 710],
      [[], "none", null],
    ]);
    expect(runs.map(({ rcode }) => rcode)).toEqual([0, 0, null, 0, 0]);
  });

  test("keeps 5,000 runs, and counts the looks beyond", () => {
    const course = new CourseRecorder(route, () => true);
    for (let i = 0; i < 5_010; i += 1) course.add(look(i * 200, [`10.0.0.${i % 2}`]));
    expect([course.runs.length, course.dropped]).toEqual([5_000, 10]);
  });

  test("has no holes: once there was no room for a run, nothing more is kept", () => {
    const course = new CourseRecorder(route, ({ addresses }) => addresses.length === 1);
    for (const addresses of [["10.0.0.1"], ["10.0.0.1", "10.0.0.2"], ["10.0.0.1"], ["10.0.0.3"]])
      course.add(look(course.dropped * 200, addresses));
    expect([course.runs.map(({ looks }) => looks), course.dropped]).toEqual([[1], 3]);
  });
});
