/** Those who are told of alarms: real HTTP, HTTPS and SMTP servers on the loopback. */

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { onTestFinished } from "vitest";
import type { TlsFiles } from "../../src/config/node.ts";

/** A request as it came. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP server that keeps what it is sent. */
export class Receiver {
  readonly received: Received[] = [];
  /** What it answers; null: nothing, for ever. */
  status: number | null = 200;
  url = "";

  static async open(tls: TlsFiles | null = null): Promise<Receiver> {
    const receiver = new Receiver();
    const listener: RequestListener = (request, response) => {
      void text(request).then((body) => {
        receiver.received.push({ path: request.url ?? "", headers: request.headers, body });
        if (receiver.status !== null)
          response.writeHead(receiver.status, { location: `${receiver.url}/elsewhere` }).end("thanks");
      });
    };
    const server: Server =
      tls === null
        ? createServer(listener)
        : createTlsServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, listener);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    receiver.url = `http${tls === null ? "" : "s"}://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return receiver;
  }

  /** The bodies, read. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  get bodies(): readonly any[] {
    return this.received.map(({ body }) => JSON.parse(body));
  }
}

/** A letter as it came. */
interface Letter {
  readonly user: string | null;
  readonly isSecure: boolean;
  readonly from: string;
  readonly to: readonly string[];
  readonly content: string;
}

/** An SMTP server that keeps what it is sent. */
export class PostOffice {
  readonly letters: Letter[] = [];
  readonly port: number;

  private constructor(port: number) {
    this.port = port;
  }

  /** One that knows `meridian` with the password `a secret`. */
  static async open(options: SMTPServerOptions): Promise<PostOffice> {
    const letters: Letter[] = [];
    const server = new SMTPServer({
      ...options,
      disableReverseLookup: true,
      onAuth: ({ username, password }, _session, done) =>
        username === "meridian" && password === "a secret"
          ? done(null, { user: username })
          : done(new Error("who are you")),
      onData: (stream, { envelope, secure, user }, done) => {
        void text(stream).then((content) => {
          const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
          const to = envelope.rcptTo.map(({ address }) => address);
          letters.push({ user: user ?? null, isSecure: secure, from, to, content });
          done();
        });
      },
    });
    // Clients that do not trust it go away.
    server.on("error", () => undefined);
    server.listen(0, "127.0.0.1");
    await once(server.server, "listening");
    onTestFinished(() => void server.close());
    const office = new PostOffice((server.server.address() as AddressInfo).port);
    Object.assign(office, { letters });
    return office;
  }
}
