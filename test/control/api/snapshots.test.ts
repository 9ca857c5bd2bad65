/** The sets of files that came into force, as the API tells them. */

import { chmodSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CONFIG, Folder, Node, ZONE } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

/** Three snapshots: the first one, one with a new name, one with another TTL. */
async function withThree(folder?: Folder): Promise<TestApi> {
  const api = await TestApi.open(new Node(folder));
  api.node.folder.write("test.example.zone", `${ZONE}new A 192.0.2.7\n`);
  await api.post("/v1/reload?reason=a%20new%20name");
  api.node.folder.write(
    "meridian.yaml",
    CONFIG.replace("mix.test.example: { ttl: 5s", "mix.test.example: { ttl: 9s"),
  );
  await api.post("/v1/reload?reason=longer");
  return api;
}

describe("/v1/snapshots", () => {
  test("lists what came into force, by whom and why, the newest first, in pages", async () => {
    const api = await withThree();
    const { body } = await api.get("/v1/snapshots?limit=2");
    expect(body.snapshots).toEqual([
      {
        version: 3,
        at: "2026-01-01T00:00:00.000Z",
        author: "anna",
        reason: "longer",
        inForce: true,
        files: [
          { path: "meridian.yaml", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
          { path: "test.example.zone", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
          { path: "labels.csv", hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
        ],
      },
      expect.objectContaining({ version: 2, reason: "a new name", inForce: false }),
    ]);
    const rest = (await api.get(`/v1/snapshots?after=${body.next}`)).body;
    expect(rest.snapshots).toEqual([
      expect.objectContaining({ version: 1, author: "meridian", reason: "control started" }),
    ]);
    expect(rest.next).toBeNull();
  });

  test("lists what serves though the history of it is cut off", async () => {
    const api = await TestApi.open();
    api.node.pass(100 * 24 * 3_600_000);
    api.node.pass(61_000);
    expect((await api.get("/v1/snapshots")).body.snapshots).toEqual([
      expect.objectContaining({ version: 1, at: null, inForce: true }),
    ]);
  });

  test("gives what the files said then", async () => {
    const api = await withThree();
    const { body } = await api.get("/v1/snapshots/2", "admin");
    expect(body.files.map(({ path, text }: Record<string, string>) => [path, text])).toEqual([
      ["meridian.yaml", CONFIG],
      ["test.example.zone", `${ZONE}new A 192.0.2.7\n`],
      ["labels.csv", ""],
    ]);
  });

  test("compares two of them, by what they declare and as text", async () => {
    const api = await withThree();
    const { body } = await api.get("/v1/snapshots/1/diff/3", "admin");
    expect(body.lines).toEqual([
      "~ service mix.test.example",
      "    ttl: 5s -> 9s",
      "+ RRset new.test.example. A",
      "    ttl: 300",
      "    rdata: 192.0.2.7",
      "1 added, 1 changed, 0 removed",
    ]);
    expect(body.diff.files[1]).toEqual({
      path: "test.example.zone",
      change: "changed",
      diff: expect.stringContaining("+new A 192.0.2.7\n"),
      isCut: false,
    });
    expect((await api.get("/v1/snapshots/3/diff/3", "admin")).body.lines).toEqual(["nothing is different"]);
  });

  test("are 404 where there is none, and after the texts have gone", async () => {
    const api = await withThree();
    for (const path of ["/v1/snapshots/9", "/v1/snapshots/9/diff/1", "/v1/snapshots/1/diff/9"])
      expect((await api.get(path, "admin")).status).toBe(404);
    expect((await api.get("/v1/snapshots/abc", "admin")).status).toBe(400);
  });

  test("hold no secret, and their texts are for admins", async () => {
    const secret = Buffer.alloc(32, 7).toString("base64");
    const folder = new Folder({
      "meridian.yaml": `${CONFIG}keys: { xfr: { secret: xfr.secret } }\n`,
    });
    folder.write("xfr.secret", secret);
    chmodSync(folder.file("xfr.secret"), 0o600);
    const api = await withThree(folder);
    for (const path of ["/v1/snapshots/1", "/v1/snapshots/1/diff/2"]) {
      expect((await api.get(path)).status).toBe(403);
      const { status, body } = await api.get(path, "admin");
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain(secret);
    }
    expect((await api.get("/v1/snapshots")).body.snapshots[2].files).toHaveLength(3);
  });
});
