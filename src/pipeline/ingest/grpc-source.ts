import type { ColumnSpec } from '../../flow/batch.ts';
import type { GrpcServer } from '../../net/grpc/server.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { GrpcOptions } from '../options/ingest/grpc.ts';
import type { Source, StageContext } from '../stage.ts';
import { Intake, type MessageReaderOf } from './intake.ts';
import { Refusals } from './refusals.ts';
import { serverTls } from './server-tls.ts';

/** Largest message; agents send up to 4 MiB unless they are configured otherwise. */
export const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** How long the flows of small messages wait for others, milliseconds. */
export const COALESCE_MS = 20;

/** The method that a server answers, and what its messages hold. */
export interface GrpcProtocol {
  /** `/package.Service/Method`. */
  readonly method: string;
  /** As in `Source`. */
  readonly columns: readonly ColumnSpec[];
  readonly isOpen: boolean;
  readonly reader: MessageReaderOf;
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
  #server: GrpcServer | undefined;
  #intake: Intake | undefined;

  constructor(options: GrpcOptions, protocol: GrpcProtocol, context: StageContext) {
    this.name = context.name;
    this.columns = protocol.columns;
    this.isOpen = protocol.isOpen;
    this.#options = options;
    this.#protocol = protocol;
    this.#context = context;
    serverTls(options, context.path);
  }

  async start(inlet: Inlet): Promise<void> {
    const { port, address } = this.#options;
    const { clock, log, metrics } = this.#context.deps;
    const refusals = new Refusals(this.#context, 'a message');
    const intake = new Intake(inlet, this.#context, refusals, this.#options);
    const reader = intake.reader(this.#protocol.reader);
    // Here and not at the top: pipelines of agents do without the library.
    const { GrpcServer: Made } = await import('../../net/grpc/server.ts');
    this.#intake = intake;
    this.#server = new Made(
      {
        host: address === '' ? '::' : address,
        port,
        tls: serverTls(this.#options, this.#context.path),
        method: this.#protocol.method,
        messageBytesMax: MESSAGE_BYTES_MAX,
      },
      {
        clock,
        renewal: renewalReport(this.name, { log, counts: metrics }),
        take: (message) => intake.take(reader, message as Buffer<ArrayBuffer>),
      },
    );
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#intake?.close();
  }
}
