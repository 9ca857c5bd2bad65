/** dig, kdig, drill, delv, unbound and BIND get from a real node what the torture zone says. */

import { beforeAll, describe, test } from "vitest";
import { zoneOf } from "../answer/harness.ts";
import { has, useLab } from "../e2e/harness.ts";
import {
  askDelv,
  askDig,
  askDrill,
  askKdig,
  conclude,
  resolve,
  startNamed,
  startUnbound,
} from "./clients.ts";
import { isResolvable, questionsOf } from "./questions.ts";
import { QNAMES, TORTURE } from "./torture.ts";
import { startTortureNode } from "./torture-node.ts";

const lab = useLab();
let port: number;
beforeAll(async () => {
  ({ port } = await startTortureNode(lab));
});

/** A loop has no end that all agree on, and what grows is not the zone's to say. */
const ASKED = questionsOf(zoneOf(TORTURE), QNAMES).filter(({ truth }) => truth.end !== "loop");
const RESOLVED = ASKED.filter(isResolvable);

describe("clients agree with the zone", { timeout: 120_000 }, () => {
  test.skipIf(!has("dig"))("dig (needs dig)", async () => {
    conclude("dig", ASKED, await askDig(lab, port, ASKED));
  });

  test.skipIf(!has("kdig"))("kdig (needs kdig)", async () => {
    conclude("kdig", ASKED, await askKdig(lab, port, ASKED));
  });

  test.skipIf(!has("drill"))("drill (needs drill)", async () => {
    conclude("drill", ASKED, await askDrill(lab, port, ASKED));
  });

  test.skipIf(!has("delv"))("delv (needs delv)", async () => {
    // It resolves as a stub. A DNAME it prints under the qname.
    const questions = RESOLVED.filter(({ truth }) => !truth.answers.some((rr) => rr.includes(" DNAME ")));
    conclude("delv", questions, await askDelv(lab, port, questions), true);
  });
});

describe("resolvers agree with the zone", { timeout: 120_000 }, () => {
  test.skipIf(!has("unbound"))("unbound, to which it is a stub zone (needs unbound)", async () => {
    conclude("unbound", RESOLVED, await resolve(await startUnbound(lab, port), RESOLVED), true);
  });

  test.skipIf(!has("named"))("BIND, which forwards to it (needs named)", async () => {
    conclude("BIND", RESOLVED, await resolve(await startNamed(lab, port), RESOLVED), true);
  });
});
