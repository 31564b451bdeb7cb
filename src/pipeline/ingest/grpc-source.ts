import { NetobservError } from '../../base/errors.ts';
import type { BatchLayout, ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { GrpcServer } from '../../net/grpc/server.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { GrpcOptions } from '../options/ingest/grpc.ts';
import type { Source, StageContext } from '../stage.ts';
import { Refusals } from './refusals.ts';

/** Agents send up to 4 MiB unless they are configured otherwise. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** How long the flows of small messages wait for others, milliseconds. */
const COALESCE_MS = 20;

/** Turns messages into flows. */
export interface MessageReader {
  open(message: Uint8Array<ArrayBuffer>): void;
  /**
   * Adds flows until the batch is full or the message has no more; true: more remain. Throws a
   * coded error for a damaged message.
   */
  next(batch: FlowBatch, nowMs: number): boolean;
  /** Counts the flows of a batch that is about to be emitted. */
  count(batch: FlowBatch): void;
}

/** The method that a server answers, and what its messages hold. */
export interface GrpcProtocol {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** As in `Source`. */
  readonly columns: readonly ColumnSpec[];
  readonly isOpen: boolean;
  reader(layout: BatchLayout, context: StageContext): MessageReader;
}

/** A server for flows by one method of gRPC. */
export class GrpcSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns: readonly ColumnSpec[];
  readonly isOpen: boolean;
  readonly coalesceMs = COALESCE_MS;
  readonly #options: GrpcOptions;
  readonly #protocol: GrpcProtocol;
  readonly #context: StageContext;
  readonly #refusals: Refusals;
  #server: GrpcServer | undefined;
  #reader: MessageReader | undefined;
  #layout: BatchLayout | undefined;
  /** Calls that wait for room. */
  #waiting = 0;

  constructor(options: GrpcOptions, protocol: GrpcProtocol, context: StageContext) {
    this.name = context.name;
    this.columns = protocol.columns;
    this.isOpen = protocol.isOpen;
    this.#options = options;
    this.#protocol = protocol;
    this.#context = context;
    this.#refusals = new Refusals(context, 'a message');
    const { certPath, keyPath, clientCAPath } = options;
    if ((certPath === '') !== (keyPath === '') || (certPath === '' && clientCAPath !== '')) {
      const problem = 'certPath and keyPath go together, and clientCAPath needs both';
      throw configError(PIPELINE_ERRORS.option, context.path, problem);
    }
  }

  async start(inlet: Inlet): Promise<void> {
    const { port, address, certPath, keyPath, clientCAPath } = this.#options;
    const { clock, log, metrics } = this.#context.deps;
    const clientCa = clientCAPath === '' ? {} : { clientCaPath: clientCAPath };
    // Here and not at the top: pipelines of agents do without the library.
    const { GrpcServer: Made } = await import('../../net/grpc/server.ts');
    this.#server = new Made(
      {
        host: address === '' ? '::' : address,
        port,
        tls: certPath === '' ? undefined : { certPath, keyPath, ...clientCa },
        method: this.#protocol.method,
        messageBytesMax: MESSAGE_BYTES_MAX,
      },
      {
        clock,
        renewal: renewalReport(this.name, { log, counts: metrics }),
        take: (message) => this.#take(message as Buffer<ArrayBuffer>, inlet),
      },
    );
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  /** Emits the flows of a message. While a branch that blocks is full, the sender waits. */
  async #take(message: Uint8Array<ArrayBuffer>, inlet: Inlet): Promise<void> {
    let wait = inlet.whenReady();
    if (wait !== undefined) {
      if (this.#waiting >= this.#options.bufferLength) {
        this.#context.counts.ingestError('full', PIPELINE_ERRORS.busy.code);
        const problem = `${this.#waiting} calls are waiting for room already: try again`;
        throw new NetobservError(PIPELINE_ERRORS.busy, problem);
      }
      this.#waiting++;
      for (; wait !== undefined; wait = inlet.whenReady()) await wait;
      this.#waiting--;
    }
    this.#decode(message, inlet);
  }

  #decode(message: Uint8Array<ArrayBuffer>, inlet: Inlet): void {
    const nowMs = this.#context.deps.clock.nowMs();
    const reader = this.#readerFor(inlet.layout);
    const batches = [inlet.take()];
    try {
      reader.open(message);
      while (reader.next(batches.at(-1)!, nowMs)) batches.push(inlet.take());
    } catch (error) {
      // The sender counts the whole message as lost, so none of it may arrive.
      for (const batch of batches) inlet.recycle(batch);
      this.#refusals.refuse(error, {});
      throw error;
    }
    for (const batch of batches) {
      if (batch.length === 0) inlet.recycle(batch);
      else {
        reader.count(batch);
        inlet.emit(batch);
      }
    }
  }

  #readerFor(layout: BatchLayout): MessageReader {
    if (this.#reader !== undefined && layout === this.#layout) return this.#reader;
    this.#layout = layout;
    this.#reader = this.#protocol.reader(layout, this.#context);
    return this.#reader;
  }
}
