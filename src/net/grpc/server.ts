import {
  logVerbosity,
  Metadata,
  Server,
  type ServiceError,
  type sendUnaryData,
  setLogVerbosity,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import { formatListen } from '../../base/listen.ts';
import { rpcStatus } from '../../codec/rpc-status.ts';
import type { RenewalReport } from '../../telemetry/renewed-files.ts';
import type { ServerTlsFiles } from '../server-tls.ts';
import { GRPC_ERRORS } from './errors.ts';
import { serverCredentials } from './server-credentials.ts';

/** How often the files of certificates are looked at. */
const RENEWAL_PERIOD_MS = 10_000;
/** Time for calls to end when the server stops. */
const STOP_TIMEOUT_MS = 2000;
/** The header with a `google.rpc.Status`. */
const STATUS_DETAILS = 'grpc-status-details-bin';

export interface GrpcServerConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTlsFiles | undefined;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Largest message that is taken. */
  readonly messageBytesMax: number;
}

export interface GrpcServerDeps {
  readonly clock: Clock;
  readonly renewal: RenewalReport;
  /** Takes a message; the client gets the answer or the error. */
  readonly take: (message: Buffer) => Promise<Uint8Array>;
}

/** Serves one unary method with messages that stay encoded. */
export class GrpcServer implements Component {
  readonly #config: GrpcServerConfig;
  readonly #deps: GrpcServerDeps;
  #server: Server | undefined;
  #renewing: Disposable | undefined;
  #port = 0;

  constructor(config: GrpcServerConfig, deps: GrpcServerDeps) {
    this.#config = config;
    this.#deps = deps;
  }

  /** The port that it listens on. */
  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    const { host, port, tls, method, messageBytesMax } = this.#config;
    const { credentials, look } = serverCredentials(tls, this.#deps.renewal);
    // Its failures come back as errors; it would also write them to standard error.
    setLogVerbosity(logVerbosity.NONE);
    const server = new Server({ 'grpc.max_receive_message_length': messageBytesMax });
    server.addService({ call: unary(method) }, { call: this.#handler() });
    this.#server = server;
    const address = formatListen({ host, port });
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, credentials, (error, bound) => {
        if (error === null) resolve(bound);
        else reject(listenError(address, error));
      });
    });
    this.#renewing = this.#deps.clock.every(RENEWAL_PERIOD_MS, look);
  }

  /** Calls that are in progress may end; after a while they fail. */
  async stop(): Promise<void> {
    this.#renewing?.[Symbol.dispose]();
    const server = this.#server;
    if (server === undefined) return;
    const over = new AbortController();
    const late = this.#deps.clock.sleep(STOP_TIMEOUT_MS, over.signal).catch(() => undefined);
    const done = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    await Promise.race([done, late]);
    over.abort();
    server.forceShutdown();
  }

  #handler(): UntypedHandleCall {
    const { take } = this.#deps;
    const handle = (call: { request: Buffer }, callback: sendUnaryData<Buffer>): void => {
      take(call.request).then(
        (answer) => callback(null, Buffer.from(answer)),
        (error: unknown) => callback(statusOf(error)),
      );
    };
    return handle as unknown as UntypedHandleCall;
  }
}

function unary(path: string) {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

const STATUS: Readonly<Partial<Record<NetobservError['kind'], status>>> = {
  data: status.INVALID_ARGUMENT,
  limit: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
};

function statusOf(error: unknown): Partial<ServiceError> {
  const kind = error instanceof NetobservError ? error.kind : undefined;
  const code = (kind && STATUS[kind]) ?? status.INTERNAL;
  const details = explain(error);
  const retryMs = error instanceof NetobservError ? error.details.retryAfterMs : undefined;
  if (typeof retryMs !== 'number') return { code, details };
  const metadata = new Metadata();
  metadata.set(STATUS_DETAILS, Buffer.from(rpcStatus(code, details, retryMs)));
  return { code, details, metadata };
}

function listenError(address: string, cause: Error): NetobservError {
  return new NetobservError(GRPC_ERRORS.listen, `cannot listen on ${address}`, { cause });
}
