/** Answers what dns leaves to control: signed queries, UPDATEs and transfers. Who asks is known by a key (RFC 8945). */

import type { Logger } from "pino";
import type { ForwardedRequest } from "../book/messages.ts";
import { addressOf } from "../wire/address.ts";
import { isTransfer, Opcode, Rcode } from "../wire/codes.ts";
import { readMessage } from "../wire/message.ts";
import { nameKey } from "../wire/name.ts";
import {
  findTsig,
  signError,
  type Tsig,
  type TsigKey,
  TsigSigner,
  tsigOctets,
  unsigned,
  verifyTsig,
} from "../wire/tsig.ts";
import type { UpdateState } from "./challenge-changes.ts";
import { fitted, headerOnly } from "./response.ts";
import type { Snapshot } from "./snapshot.ts";
import { isFrom, labelOf, type SignedRequest, type TransferOutcome, Transfers } from "./transfers.ts";
import { evaluateUpdate, type UpdateOutcome } from "./update.ts";

export interface ClerkOptions {
  readonly snapshot: () => Snapshot;
  readonly nowMs: () => number;
  /** Takes an UPDATE to the one door. */
  readonly update: (author: string, evaluate: (now: UpdateState) => UpdateOutcome) => Promise<UpdateOutcome>;
  readonly log: Logger;
}

/** One node's clerk. */
export class Clerk {
  readonly #options: ClerkOptions;
  readonly #transfers: Transfers;

  constructor(options: ClerkOptions) {
    this.#options = options;
    this.#transfers = new Transfers(options);
  }

  /** How many requests for zones have ended how. */
  get transfers(): Readonly<Record<TransferOutcome, number>> {
    return this.#transfers.outcomes;
  }

  /** The messages of the reply, one when the one before was taken; none: nothing is said. Does not throw for a request. */
  async *reply(request: ForwardedRequest): AsyncGenerator<Uint8Array> {
    const { octets, source } = request;
    const message = readMessage(octets);
    const found = message === null ? null : findTsig(message);
    if (message === null || found === null || found.kind === "malformed") {
      yield headerOnly(octets, message, Rcode.FormErr);
      return;
    }
    if (found.kind === "unsigned") {
      yield headerOnly(octets, message, Rcode.Refused);
      return;
    }
    const { tsig } = found;
    const key = this.#options.snapshot().keys.get(nameKey(tsig.keyName)) ?? null;
    const seconds = this.#seconds();
    const verified = verifyTsig(octets, tsig, key, seconds);
    if (verified.kind === "malformed") yield headerOnly(octets, message, Rcode.FormErr);
    else if (verified.kind === "error")
      yield signError(headerOnly(octets, message, Rcode.NotAuth), tsig, verified.error, key, seconds);
    else if (key !== null) {
      const { isStream, tls, response } = request;
      const from = { source: addressOf(source), key, isStream, tls };
      const signed = { message, octets: unsigned(octets, tsig), ...from };
      yield* this.#sign(this.#answer(signed, response), key, tsig);
    }
  }

  async *#sign(messages: AsyncIterable<Uint8Array>, key: TsigKey, tsig: Tsig): AsyncGenerator<Uint8Array> {
    const signer = new TsigSigner(key, tsig.mac);
    for await (const message of messages) yield signer.sign(message, this.#seconds());
  }

  async *#answer(signed: SignedRequest, response: Uint8Array | null): AsyncGenerator<Uint8Array> {
    const { message, octets, key, isStream } = signed;
    if (message.opcode === Opcode.Update) yield await this.#update(signed);
    else if (message.questions.some(({ qtype }) => isTransfer(qtype))) yield* this.#transfers.reply(signed);
    else if (response === null) yield headerOnly(octets, message, Rcode.Refused);
    else yield isStream ? response : fitted(response, octets, message, tsigOctets(key));
  }

  async #update(signed: SignedRequest): Promise<Uint8Array> {
    const { message, octets, source, key } = signed;
    const { snapshot, nowMs, update, log } = this.#options;
    const grant = snapshot().config.acme.grants.find((candidate) => candidate.key === nameKey(key.name));
    const label = labelOf(key);
    let outcome: UpdateOutcome = {
      kind: "failed",
      rcode: Rcode.Refused,
      detail: "the key may not send UPDATEs from there",
    };
    if (grant !== undefined && isFrom(source, grant.from)) {
      outcome = await update(`key ${label}`, ({ snapshot: { zones, config }, challenges }) =>
        evaluateUpdate(message, {
          zones,
          services: new Set(config.services.map(({ name }) => nameKey(name))),
          challenges,
          grant,
          author: `key ${label}`,
          nowMs: nowMs(),
          keepMs: config.acme.keepMs,
        }),
      );
    }
    if (outcome.kind === "edit") return headerOnly(octets, message, Rcode.NoError);
    log.warn({ key: label, source: source.text, rcode: outcome.rcode }, `UPDATE refused: ${outcome.detail}`);
    return headerOnly(octets, message, outcome.rcode);
  }

  #seconds(): number {
    return Math.trunc(this.#options.nowMs() / 1000);
  }
}
