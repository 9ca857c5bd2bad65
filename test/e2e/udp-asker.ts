/** SCRIPT: sends queries over UDP, for a test that is in another network namespace: `udp-asker.ts ADDRESS PORT HEX...`, a reply a line. */

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

/** How long one reply may take. */
const PATIENCE_MS = 2_000;

const [address = "", port = "", ...queries] = process.argv.slice(2);
const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
socket.connect(Number(port), address);
await once(socket, "connect");
for (const query of queries) {
  const reply = once(socket, "message").then(([octets]) => (octets as Buffer).toString("hex"));
  socket.send(Buffer.from(query, "hex"));
  console.log(await Promise.race([reply, sleep(PATIENCE_MS, "nothing", { ref: false })]));
}
socket.close();
process.exit();
