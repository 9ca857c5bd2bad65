/** Finds ports for servers that cannot choose one themselves, or would not tell. */

import { once } from "node:events";
import { createServer } from "node:net";

/** A port on 127.0.0.1 that nobody has now; freed for TCP it is free for UDP too, as servers of DNS take both. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("a TCP server has no port");
  return address.port;
}
