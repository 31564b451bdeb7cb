import { isIPv6 } from 'node:net';
import { type ChannelOptions, Client, type ClientDuplexStream, Metadata } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import { asBuffer } from './bytes.ts';
import { nameOverride } from './client.ts';
import { credentialsOf, type TlsFiles } from './credentials.ts';
import { GRPC_ERRORS } from './errors.ts';
import { callError } from './status.ts';

export interface GrpcStreamConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  /** Name in the server's certificate; empty: the host. */
  readonly serverName: string;
  /** `/package.Service/Method`. */
  readonly method: string;
  readonly messageBytesMax: number;
}

/** A server that vanished is noticed after this and as long again. */
const KEEPALIVE_MS = 30_000;
/** Answers are small messages. */
const ANSWER_BYTES_MAX = 64 * 1024;

type Call = ClientDuplexStream<Uint8Array, Buffer>;

/** A call with many messages in both directions, over a connection of its own. */
export class GrpcStream {
  readonly #client: Client;
  readonly #call: Call;
  readonly #ended = Promise.withResolvers<void>();
  #failure: NetobservError | undefined;
  #refuse: ((error: NetobservError) => void) | undefined;

  /** Throws `GRPC_ERRORS.tls`; any later failure is that of `ended`. */
  constructor(config: GrpcStreamConfig, onMessage: (message: Buffer) => void) {
    const { host, port, tls, serverName, method } = config;
    const target = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
    const named = serverName === '' ? host : serverName;
    this.#client = new Client(target, credentialsOf(tls, named), optionsOf(config));
    this.#call = this.#client.makeBidiStreamRequest<Uint8Array, Buffer>(
      method,
      asBuffer,
      (bytes) => bytes,
      new Metadata(),
    );
    // Nobody need wait for the end.
    this.#ended.promise.catch(() => undefined);
    const closed = new NetobservError(GRPC_ERRORS.unavailable, `${target}: the call has ended`, {
      retryable: true,
    });
    this.#call.on('data', onMessage);
    this.#call.on('error', (error) => this.#end(callError(error as never, target), true));
    this.#call.on('end', () => this.#end(closed, false));
  }

  /** Resolves when the server ended the call without an error, and rejects for any other reason. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Resolves when there is room for another message. One at a time. */
  write(message: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#refuse = reject;
      this.#call.write(message, (error?: Error | null) => {
        this.#refuse = undefined;
        // The reason is that of the call.
        if (error === null || error === undefined) resolve();
      });
    });
  }

  /** Ends the call and the connection. */
  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #end(error: NetobservError, isFailure: boolean): void {
    // After an error the library reports the end as well.
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#refuse?.(error);
    if (isFailure) this.#ended.reject(error);
    else this.#ended.resolve();
  }
}

function optionsOf(config: GrpcStreamConfig): ChannelOptions {
  const { serverName, messageBytesMax } = config;
  return {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
    ...(serverName === ''
      ? nameOverride(config)
      : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  };
}
