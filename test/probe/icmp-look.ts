/** `node icmp-look.ts ADDRESS TIMEOUT`: prints what an ICMP probe sees, and what stands against making one. */

import { icmpProblem, probeIcmp } from "../../src/probe/icmp.ts";

const [address = "", timeoutMs = ""] = process.argv.slice(2);
const outcome = await probeIcmp(address, Number(timeoutMs), new AbortController().signal);
const givenUp = await probeIcmp(address, Number(timeoutMs), AbortSignal.abort());
process.stdout.write(JSON.stringify({ outcome, givenUp, problem: icmpProblem() }));
