import { expect, test } from "vitest";
import { CONFIG, Folder, Node } from "../test-node.ts";
import { TestApi } from "./test-api.ts";

const SAFETY = "safety: { approval: { services: [mix.*] } }";

const WEIGHT = { kind: "weight", target: { choice: "mix/old" }, weight: 0, reason: "all to the new" };
const URL = `/v1/proposals/${encodeURIComponent("set:weight:choice:mix/old")}`;

test("a change that takes a second person is proposed, listed, approved and withdrawn by HTTP", async () => {
  const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": `${CONFIG}\n${SAFETY}\n` })));
  const proposed = await api.post("/v1/overrides", WEIGHT);
  expect([proposed.status, proposed.headers.get("location")]).toEqual([202, URL]);
  expect(proposed.body.proposal).toMatchObject({
    url: URL,
    change: "weight of choice mix/old 0",
    author: "anna",
  });
  expect((await api.get("/v1/proposals")).body.proposals).toEqual([proposed.body.proposal]);
  const reason = "looked at it";
  expect((await api.call("POST", `${URL}/approval`, { role: "admin", body: { reason } })).status).toBe(422);
  const approved = await api.call("POST", `${URL}/approval`, { role: "operator", body: { reason } });
  expect([approved.status, approved.body.version]).toEqual([200, 3]);
  expect((await api.call("POST", `${URL}/approval`, { role: "operator", body: { reason } })).status).toBe(
    404,
  );

  const end = `/v1/overrides/${encodeURIComponent("weight:choice:mix/old")}`;
  const { status, body } = await api.delete(end);
  expect([status, body.proposal.change]).toEqual([202, "end weight:choice:mix/old"]);
  expect((await api.delete(body.proposal.url)).status).toBe(200);
  expect((await api.delete(body.proposal.url)).status).toBe(404);
});

test("files are approved by admins alone, and by what was looked at", async () => {
  const api = await TestApi.open(new Node(new Folder({ "meridian.yaml": `${CONFIG}\n${SAFETY}\n` })));
  const edited = CONFIG.replace("old: { weight: 50", "old: { weight: 0");
  api.node.folder.write("meridian.yaml", `${edited}\n${SAFETY}\n`);
  await api.node.desk.change({
    author: "file",
    reason: "changed",
    edit: { kind: "reload" },
    ifVersion: null,
  });
  const body = { reason: "looked at it" };
  expect((await api.call("POST", "/v1/proposals/files/approval", { role: "operator", body })).status).toBe(
    403,
  );
  api.node.folder.write("labels.csv", "192.0.2.0/25,office");
  expect((await api.post("/v1/proposals/files/approval", body)).status).toBe(412);
  expect((await api.post("/v1/proposals/files/approval", body)).status).toBe(200);
});
