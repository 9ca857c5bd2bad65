/** Answers what dns leaves to control: signed queries, UPDATEs and transfers. Who asks is known by a key (RFC 8945). */

import type { Logger } from "pino";
import type { ForwardedRequest } from "../book/messages.ts";
import { addressOf, type IpAddress, isInPrefix, type Prefix } from "../wire/address.ts";
import { u16 } from "../wire/bytes.ts";
import { Opcode, Rcode } from "../wire/codes.ts";
import { type Message, MessageWriter, readMessage } from "../wire/message.ts";
import { formatName, nameKey } from "../wire/name.ts";
import {
  findTsig,
  signError,
  type Tsig,
  type TsigKey,
  TsigSigner,
  unsigned,
  verifyTsig,
} from "../wire/tsig.ts";
import type { UpdateState } from "./change.ts";
import type { Snapshot } from "./snapshot.ts";
import { evaluateUpdate, type UpdateOutcome } from "./update.ts";

export interface ClerkOptions {
  readonly snapshot: () => Snapshot;
  readonly nowMs: () => number;
  /** Takes an UPDATE to the one door. */
  readonly update: (author: string, evaluate: (now: UpdateState) => UpdateOutcome) => Promise<UpdateOutcome>;
  readonly log: Logger;
}

/** A request whose signature is right. */
interface Signed {
  readonly message: Message;
  /** Without its TSIG. */
  readonly octets: Uint8Array;
  readonly source: IpAddress;
  readonly key: TsigKey;
}

/** Octets of a header, with which every refusal begins. */
const QR = 0x8000;
const OPCODE_AND_RD = 0x7900;

/** One node's clerk. */
export class Clerk {
  readonly #options: ClerkOptions;

  constructor(options: ClerkOptions) {
    this.#options = options;
  }

  /** The messages of the reply, one when the one before was taken; none: nothing is said. Does not throw for a request. */
  async *reply(request: ForwardedRequest): AsyncGenerator<Uint8Array> {
    const { octets, source } = request;
    const message = readMessage(octets);
    const found = message === null ? null : findTsig(message);
    if (message === null || found === null || found.kind === "malformed") {
      yield refusal(octets, message, Rcode.FormErr);
      return;
    }
    if (found.kind === "unsigned") {
      yield refusal(octets, message, Rcode.Refused);
      return;
    }
    const { tsig } = found;
    const key = this.#options.snapshot().keys.get(nameKey(tsig.keyName)) ?? null;
    const seconds = this.#seconds();
    const verified = verifyTsig(octets, tsig, key, seconds);
    if (verified.kind === "malformed") yield refusal(octets, message, Rcode.FormErr);
    else if (verified.kind === "error")
      yield signError(refusal(octets, message, Rcode.NotAuth), tsig, verified.error, key, seconds);
    else if (key !== null) {
      const signed = { message, octets: unsigned(octets, tsig), source: addressOf(source), key };
      yield* this.#sign(this.#answer(signed, request), key, tsig);
    }
  }

  async *#sign(messages: AsyncIterable<Uint8Array>, key: TsigKey, tsig: Tsig): AsyncGenerator<Uint8Array> {
    const signer = new TsigSigner(key, tsig.mac);
    for await (const message of messages) yield signer.sign(message, this.#seconds());
  }

  async *#answer(signed: Signed, { response }: ForwardedRequest): AsyncGenerator<Uint8Array> {
    if (signed.message.opcode === Opcode.Update) {
      yield await this.#update(signed);
      return;
    }
    yield response ?? refusal(signed.octets, signed.message, Rcode.Refused);
  }

  async #update(signed: Signed): Promise<Uint8Array> {
    const { message, octets, source, key } = signed;
    const { snapshot, nowMs, update, log } = this.#options;
    const grant = snapshot().config.acme.grants.find((candidate) => candidate.key === nameKey(key.name));
    const label = formatName(key.name).slice(0, -1);
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
    if (outcome.kind === "edit") return refusal(octets, message, Rcode.NoError);
    log.warn({ key: label, source: source.text, rcode: outcome.rcode }, `UPDATE refused: ${outcome.detail}`);
    return refusal(octets, message, outcome.rcode);
  }

  #seconds(): number {
    return Math.trunc(this.#options.nowMs() / 1000);
  }
}

/** Whether an address lies in one of the prefixes. */
function isFrom(address: IpAddress, prefixes: readonly Prefix[]): boolean {
  return prefixes.some((prefix) => isInPrefix(address, prefix));
}

/** A response of a header and, where it could be read, the question or zone section. */
function refusal(octets: Uint8Array, message: Message | null, rcode: Rcode): Uint8Array {
  const flags = QR | (u16(octets, 2) & OPCODE_AND_RD) | rcode;
  const writer = new MessageWriter(u16(octets, 0), flags, 512);
  const [question, ...others] = message?.questions ?? [];
  if (question !== undefined && others.length === 0) writer.question(question);
  return writer.octets;
}
