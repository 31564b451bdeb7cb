import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { GrpcClient, GrpcClientConfig } from '../../net/grpc/client.ts';
import type { Log } from '../../telemetry/log.ts';
import { DELIVERY_DEFAULTS, type Refused, type Target } from '../delivery.ts';
import type { Message } from '../message.ts';

/** Servers take 4 MiB unless they are configured otherwise. */
export const GRPC_MESSAGE_BYTES_MAX = 3.5 * 2 ** 20;

/**
 * A collector may freeze for a while, or make its senders wait when it is busy. The connection
 * shows whether it is there at all. These limits only bound the wait for a collector that never
 * answers, and the age of messages for a collector that is unreachable.
 */
export const GRPC_LIMITS = {
  ...DELIVERY_DEFAULTS,
  attemptTimeoutMs: 600_000,
  deadlineMs: 900_000,
} as const;

/** The server gets a later deadline than ours, so that ours decides how a call is counted. */
const DEADLINE_MARGIN_MS = 1000;

export interface GrpcTargetOptions extends Omit<GrpcClientConfig, 'callTimeoutMs'> {
  /** Calls at the same time: several make use of a slow line; one keeps the order. */
  readonly inFlightMax: number;
  readonly attemptTimeoutMs: number;
  /** Flows that the server refused from a message that it took, by its answer. */
  readonly refusedFlows?: (answer: Uint8Array) => number;
}

export interface GrpcTargetDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Called with a message's bytes once the server has answered: nothing reads them any more. */
  readonly recycle?: (bytes: Uint8Array) => void;
}

/** Unary calls with one message each. */
export class GrpcTarget implements Target<Message> {
  readonly inFlightMax: number;
  readonly #config: GrpcClientConfig;
  readonly #refusedFlows: (answer: Uint8Array) => number;
  readonly #deps: GrpcTargetDeps;
  #client: GrpcClient | undefined;

  constructor(options: GrpcTargetOptions, deps: GrpcTargetDeps) {
    const { inFlightMax, attemptTimeoutMs, refusedFlows = () => 0, ...config } = options;
    this.#refusedFlows = refusedFlows;
    this.inFlightMax = inFlightMax;
    this.#config = { ...config, callTimeoutMs: attemptTimeoutMs + DEADLINE_MARGIN_MS };
    this.#deps = deps;
  }

  /** Reads the certificates and throws when they cannot be used. Connects in the background. */
  async open(): Promise<void> {
    // Here and not at the top: loading the library takes longer than attaching hooks.
    const grpc = await import('../../net/grpc/client.ts');
    this.#client = new grpc.GrpcClient(this.#config, this.#deps);
    this.#client.open();
  }

  async send({ bytes }: Message, signal: AbortSignal): Promise<Refused> {
    assert(this.#client !== undefined, 'the target is open');
    const answer = await this.#client.call(bytes, signal);
    // After a failure the library may still read them.
    this.#deps.recycle?.(bytes);
    return { flows: this.#refusedFlows(answer) };
  }

  /** Calls in progress fail. */
  async close(): Promise<void> {
    await this.#client?.close();
  }
}
