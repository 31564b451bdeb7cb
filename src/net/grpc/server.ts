import {
  logVerbosity,
  Metadata,
  Server,
  type ServerDuplexStream,
  type ServerOptions,
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
import { asBuffer } from './bytes.ts';
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
  /** Further limits. Default: those of the library. */
  readonly options?: ServerOptions;
}

/** A call with many messages in both directions. */
export interface Conversation {
  /** Reading ends when the client ends the call, and rejects if it breaks. */
  readonly messages: AsyncIterable<Buffer>;
  /** Address of the client. */
  readonly peer: string;
  /** Resolves when there is room for another message, and rejects if the call is over. */
  write(message: Uint8Array): Promise<void>;
}

/** The one method of a server. */
export type GrpcHandler =
  | {
      /** Takes a message; the client gets the answer or the error. */
      readonly take: (message: Buffer) => Promise<Uint8Array>;
    }
  | {
      /** The call ends when it resolves, or fails with the error. */
      readonly converse: (conversation: Conversation) => Promise<void>;
    };

export type GrpcServerDeps = GrpcHandler & {
  readonly clock: Clock;
  readonly renewal: RenewalReport;
};

/** Serves one method with messages that stay encoded. */
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
    const { host, port, tls, method, messageBytesMax, options } = this.#config;
    const streams = 'converse' in this.#deps;
    const { credentials, look } = serverCredentials(tls, this.#deps.renewal);
    // Its failures come back as errors; it would also write them to standard error.
    setLogVerbosity(logVerbosity.NONE);
    const limits = { 'grpc.max_receive_message_length': messageBytesMax };
    const server = new Server({ ...options, ...limits });
    server.addService({ call: definition(method, streams) }, { call: handlerOf(this.#deps) });
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
    // Conversations have no end of their own.
    if ('converse' in this.#deps) {
      server.forceShutdown();
      return;
    }
    const over = new AbortController();
    const late = this.#deps.clock.sleep(STOP_TIMEOUT_MS, over.signal).catch(() => undefined);
    const done = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    await Promise.race([done, late]);
    over.abort();
    server.forceShutdown();
  }
}

function handlerOf(handler: GrpcHandler): UntypedHandleCall {
  const unary = (call: { request: Buffer }, callback: sendUnaryData<Buffer>): void => {
    if (!('take' in handler)) return;
    handler.take(call.request).then(
      (answer) => callback(null, asBuffer(answer)),
      (error: unknown) => callback(statusOf(error)),
    );
  };
  const duplex = (call: ServerDuplexStream<Buffer, Uint8Array>): void => {
    if (!('converse' in handler)) return;
    const conversation = {
      // The status of the call comes after the last message that is read.
      messages: call.iterator({ destroyOnReturn: false }),
      peer: call.getPeer(),
      write: (message: Uint8Array) => written(call, message),
    };
    handler.converse(conversation).then(
      () => call.end(),
      (error: unknown) => call.emit('error', statusOf(error)),
    );
  };
  return ('take' in handler ? unary : duplex) as unknown as UntypedHandleCall;
}

/** A call that breaks does not call back. */
function written(call: ServerDuplexStream<Buffer, Uint8Array>, message: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('the call is over'));
    call.once('close', onClose);
    call.write(asBuffer(message), (error?: Error | null) => {
      call.off('close', onClose);
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

function definition(path: string, streams: boolean) {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path,
    requestStream: streams,
    responseStream: streams,
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
