/** What the parent and its UDP workers say to one another. */

import type { AnswerOptions } from "../answer/options.ts";
import type { ServedBook } from "../answer/responder.ts";
import type { Endpoint } from "../config/node.ts";
import type { ModuleTexts } from "./linked.ts";
import type { UdpSocket } from "./sockets.ts";
import type { XdpQueue } from "./xdp/queue.ts";

/** What a worker is started with. */
export interface WorkerStart {
  /** URL of a module with `createResponder`, as in `answer/responder.ts`. */
  readonly responder: string;
  /** All that is to be linked; null: to be read, and told. */
  readonly modules: ModuleTexts | null;
  readonly book: ServedBook | null;
  readonly options: AnswerOptions;
  readonly challenges: ServedBook | null;
  /** The worker's own row. */
  readonly counters: Float64Array;
  /** The worker's own ring; null: traffic is not sampled. */
  readonly samples: Uint32Array | null;
  /** The memory of the `Orders`. */
  readonly orders: SharedArrayBuffer;
  /** The memory of the worker's own `Heartbeat`. */
  readonly heartbeat: SharedArrayBuffer;
  /** Workers for each core that they may run on, at least one. */
  readonly workersOnCore: number;
}

/** What one worker serves. */
export type Post = BatchPost | DatagramPost;

/** Open sockets, and queues of interfaces; they outlive the worker. */
export interface BatchPost {
  readonly kind: "batch";
  readonly sockets: readonly UdpSocket[];
  readonly queues: XdpQueue[];
}

/** Endpoints for the worker to bind; `shared`: other workers bind them too. */
export interface DatagramPost {
  readonly kind: "datagram";
  readonly endpoints: readonly Endpoint[];
  readonly shared: boolean;
}

/** From the parent. */
export type ToWorker =
  | { readonly kind: "book"; readonly book: ServedBook }
  | { readonly kind: "challenges"; readonly challenges: ServedBook | null }
  /** To workers that read datagrams alone. */
  | { readonly kind: "reply"; readonly to: ReturnAddress; readonly message: Uint8Array }
  | { readonly kind: "serve"; readonly post: Post }
  /** To workers that read batches: all queues of theirs, from now on. */
  | { readonly kind: "queues"; readonly queues: readonly XdpQueue[] }
  | { readonly kind: "stop" };

/** Where a packet came from and to, in the form of the socket that it came in by, which is one of its post. */
export interface ReturnAddress {
  readonly socket: number;
  readonly envelope: Uint8Array;
}

/**
 * From a worker. `read`: the modules that the others run too. `ready`: loaded, and spare. `taken`: it reads the next book, or the queues, that it
 * was told of, and none from before. `forward`: control is to answer. `crash`: an answer threw; one a second is told, with its stack.
 */
export type FromWorker =
  | { readonly kind: "read"; readonly modules: ModuleTexts }
  | { readonly kind: "ready" }
  | { readonly kind: "serving" }
  | { readonly kind: "taken" }
  | {
      readonly kind: "forward";
      readonly from: ReturnAddress;
      /** The client's address, 4 or 16 octets. */
      readonly source: Uint8Array;
      readonly octets: Uint8Array;
    }
  | { readonly kind: "crash"; readonly stack: string };
