/** The requests that dns has left to control: each reply goes out message by message, as the client takes them. */

import type { ForwardedRequest, FromClient, ToDns } from "../book/messages.ts";

export interface RequestsOptions {
  readonly reply: (request: ForwardedRequest) => AsyncGenerator<Uint8Array>;
  /** RDATA of a TXT; null: there is nothing to explain. */
  readonly explain: (octets: Uint8Array, source: Uint8Array) => Uint8Array | null;
  readonly send: (message: ToDns) => void;
  /** Told when a reply could not be made. */
  readonly onError: (cause: unknown) => void;
}

/** A reply on its way; the next message is made ahead, because only then it is known which one is the last. */
interface Reply {
  readonly messages: AsyncGenerator<Uint8Array>;
  next: IteratorResult<Uint8Array> | null;
}

/** All that are under way. */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #replies = new Map<number, Reply>();

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** Takes a message from dns. */
  receive(message: FromClient): void {
    const { request } = message;
    switch (message.kind) {
      case "request":
        this.#replies.set(request, { messages: this.#options.reply(message), next: null });
        void this.#send(request);
        break;
      case "explain":
        this.#explain(request, message.octets, message.source);
        break;
      case "next":
        void this.#send(request);
        break;
      case "gone":
        void this.#replies.get(request)?.messages.return(undefined);
        this.#replies.delete(request);
        break;
    }
  }

  #explain(request: number, octets: Uint8Array, source: Uint8Array): void {
    const { explain, onError, send } = this.#options;
    let rdata: Uint8Array | null = null;
    try {
      rdata = explain(octets, source);
    } catch (cause) {
      onError(cause);
    }
    send({ kind: "explanation", request, rdata });
  }

  async #send(request: number): Promise<void> {
    const { onError, send } = this.#options;
    const reply = this.#replies.get(request);
    if (reply === undefined) return;
    try {
      const { value, done } = reply.next ?? (await reply.messages.next());
      if (done !== true) reply.next = await reply.messages.next();
      const isLast = done === true || reply.next?.done === true;
      if (isLast) this.#replies.delete(request);
      send({ kind: "reply", request, message: done === true ? null : value, isLast });
    } catch (cause) {
      onError(cause);
      this.#replies.delete(request);
      send({ kind: "reply", request, message: null, isLast: true });
    }
  }
}
