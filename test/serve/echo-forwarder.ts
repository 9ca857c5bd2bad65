/** In the forwarder's place: replies to each request with itself, QR set, a moment later. */

import type { Forwarded, Forwarder, ReplySink, Request } from "../../src/serve/forwarder.ts";

/** Remembers what it was given. */
export class EchoForwarder implements Pick<Forwarder, "forward"> {
  readonly requests: Request[] = [];

  forward(request: Request, sink: ReplySink): Forwarded {
    this.requests.push(request);
    const message = Uint8Array.from(request.octets);
    message[2] = (message[2] ?? 0) | 0x80;
    setImmediate(() => sink.reply(message, true));
    return { next: () => {}, cancel: () => {} };
  }
}
