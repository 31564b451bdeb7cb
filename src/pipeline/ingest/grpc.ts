import { explain, NetobservError } from '../../base/errors.ts';
import { PBFLOW_ERRORS } from '../../codec/pbflow/errors.ts';
import { RecordDecoder } from '../../codec/pbflow/record-decoder.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { GrpcServer } from '../../net/grpc/server.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import { GrpcOptions } from '../options/ingest/grpc.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';

const METHOD = '/pbflow.Collector/Send';
/** Agents send up to 4 MiB unless they are configured otherwise. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** How long the flows of small messages wait for others, milliseconds. */
const COALESCE_MS = 20;

/** Flows from agents, by gRPC. */
export const grpcIngest: StageType = stageType({
  section: 'ingest',
  type: 'grpc',
  schema: GrpcOptions,
  create: (options, context) => new GrpcSource(options, context),
});

class GrpcSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns = FIELDS.filter(({ proto }) => proto !== undefined).map(({ name, kind }) => ({
    name,
    kind,
  }));
  readonly coalesceMs = COALESCE_MS;
  readonly #options: GrpcOptions;
  readonly #context: StageContext;
  #server: GrpcServer | undefined;
  #decoder: RecordDecoder | undefined;
  /** Calls that wait for room. */
  #waiting = 0;
  #hasWarned = false;

  constructor(options: GrpcOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
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
    this.#decoder = new RecordDecoder(inlet.layout);
    // Here and not at the top: pipelines of agents do without the library.
    const { GrpcServer: Made } = await import('../../net/grpc/server.ts');
    this.#server = new Made(
      {
        host: address === '' ? '::' : address,
        port,
        tls: certPath === '' ? undefined : { certPath, keyPath, ...clientCa },
        method: METHOD,
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
    const decoder = this.#decoder!;
    const batches = [inlet.take()];
    try {
      decoder.open(message);
      while (decoder.next(batches.at(-1)!, nowMs)) batches.push(inlet.take());
    } catch (error) {
      // The sender counts the whole message as lost, so none of it may arrive.
      for (const batch of batches) inlet.recycle(batch);
      this.#refuse(error);
      throw error;
    }
    for (const batch of batches) this.#emit(batch, inlet);
  }

  #emit(batch: FlowBatch, inlet: Inlet): void {
    if (batch.length === 0) {
      inlet.recycle(batch);
      return;
    }
    this.#context.counts.ingested(batch.length);
    inlet.emit(batch);
  }

  #refuse(error: unknown): void {
    const code = error instanceof NetobservError ? error.code : PBFLOW_ERRORS.tooLong.code;
    this.#context.counts.ingestError('decode', code);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#context.deps.log.warn(
      { component: 'pipeline', stage: this.name, error: explain(error) },
      'a message is refused, and so are others like it; ingest_errors counts them',
    );
  }
}
