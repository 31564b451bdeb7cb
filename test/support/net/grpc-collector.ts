import { Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { PbRecords } from '../codec/pbflow-schema.ts';

export interface CollectorTls {
  readonly cert: string;
  readonly key: string;
  /** Clients must show a certificate signed by this one. */
  readonly clientCa?: string;
}

/** A flow as the collector received it. */
export interface CollectedFlow {
  readonly bytes: number;
  readonly packets: number;
  readonly record: Readonly<Record<string, unknown>>;
}

/** The collector's action on a call, after it has taken the flows. */
export type Behaviour = (answer: () => void) => void;

export const ANSWER: Behaviour = (answer) => answer();
export const SILENCE: Behaviour = () => undefined;

/** A collector of pbflow on a real gRPC server. */
export class GrpcCollector implements AsyncDisposable {
  readonly #tls: CollectorTls | undefined;
  #server: Server | undefined;
  port = 0;
  behaviour: Behaviour = ANSWER;
  /** Flows of each call. */
  readonly calls: CollectedFlow[][] = [];
  /** Messages of each call, bytes. */
  readonly sizes: number[] = [];
  /** Addresses of the clients' connections. */
  readonly peers = new Set<string>();

  constructor(tls?: CollectorTls) {
    this.#tls = tls;
  }

  get flows(): readonly CollectedFlow[] {
    return this.calls.flat();
  }

  /** Sums over all flows received. */
  sums(): { packets: number; bytes: number } {
    const flows = this.flows;
    return {
      packets: flows.reduce((sum, { packets }) => sum + packets, 0),
      bytes: flows.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /** On a free port the first time, and then on the same one. */
  async start(address = '127.0.0.1'): Promise<void> {
    const server = new Server();
    this.#server = server;
    const handler = (
      call: { request: Buffer; getPeer(): string },
      callback: (error: null, answer: Buffer) => void,
    ) => {
      this.peers.add(call.getPeer());
      this.sizes.push(call.request.length);
      this.calls.push(decode(call.request));
      this.behaviour(() => callback(null, Buffer.alloc(0)));
    };
    server.addService(
      {
        Send: {
          path: '/pbflow.Collector/Send',
          requestStream: false,
          responseStream: false,
          requestSerialize: (bytes: Buffer) => bytes,
          requestDeserialize: (bytes: Buffer) => bytes,
          responseSerialize: (bytes: Buffer) => bytes,
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      },
      { Send: handler as unknown as UntypedHandleCall },
    );
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`${address}:${this.port}`, this.#credentials(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }

  /** Ends all connections at once. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
  }

  #credentials(): ServerCredentials {
    if (this.#tls === undefined) return ServerCredentials.createInsecure();
    const { cert, key, clientCa } = this.#tls;
    const pairs = [{ cert_chain: Buffer.from(cert), private_key: Buffer.from(key) }];
    const ca = clientCa === undefined ? null : Buffer.from(clientCa);
    return ServerCredentials.createSsl(ca, pairs, clientCa !== undefined);
  }
}

function decode(message: Buffer): CollectedFlow[] {
  const { entries = [] } = PbRecords.toObject(PbRecords.decode(message), {
    longs: Number,
    bytes: String,
  }) as { entries?: Record<string, unknown>[] };
  return entries.map((record) => ({
    bytes: Number(record.bytes ?? 0),
    packets: Number(record.packets ?? 0),
    record,
  }));
}
