import { isIPv6 } from 'node:net';
import { type ChannelOptions, Client, connectivityState, Metadata } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { asBuffer } from './bytes.ts';
import { credentialsOf, type TlsFiles } from './credentials.ts';
import { GRPC_ERRORS } from './errors.ts';
import { callError } from './status.ts';

export interface GrpcClientConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  /** `/package.Service/Method`. */
  readonly method: string;
  /** Sent to the server as the call's deadline. */
  readonly callTimeoutMs: number;
  /** Largest message that is sent. */
  readonly messageBytesMax: number;
  /** Period between reconnects, so that a Service spreads its clients; 0: never. */
  readonly reconnectMs: number;
  /** Each period is longer or shorter by up to this. */
  readonly reconnectJitterMs: number;
  /** Sent with each call. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface GrpcClientDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

/** Time for a new connection; after that the old one is kept. */
const CONNECT_TIMEOUT_MS = 20_000;
/**
 * A peer that vanished is noticed after one to two minutes. A peer that stalls for less than that
 * keeps its connection; otherwise it would be unknown whether the data sent to it arrived. Servers,
 * including Go's, close connections of clients that probe more often.
 */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 60_000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 5000;
/** Consecutive failures after which the name is resolved, and certificates are read, again. */
const REOPEN_FAILURES = 5;
/** Answers are small messages. */
const ANSWER_BYTES_MAX = 64 * 1024;

const NOTHING = new Uint8Array(0);

/** A connection, and the calls on it. */
interface Connection {
  readonly client: Client;
  calls: number;
  isRetired: boolean;
}

/** Calls one unary method with messages that are already encoded. */
export class GrpcClient {
  readonly #config: GrpcClientConfig;
  readonly #deps: GrpcClientDeps;
  readonly #target: string;
  readonly #closing = new AbortController();
  #current: Connection | undefined;
  #reconnecting: Promise<void> | undefined;
  #failures = 0;

  constructor(config: GrpcClientConfig, deps: GrpcClientDeps) {
    this.#config = config;
    this.#deps = deps;
    const host = isIPv6(config.host) ? `[${config.host}]` : config.host;
    this.#target = `${host}:${config.port}`;
  }

  /** Reads the certificates; throws when they cannot be used. Connects in the background. */
  open(): void {
    this.#current = this.#connect();
    this.#current.client.getChannel().getConnectivityState(true);
    if (this.#config.reconnectMs > 0) this.#reconnecting = this.#reconnectForever();
  }

  /** Calls in progress fail. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#reconnecting;
    this.#current?.client.close();
    this.#current = undefined;
  }

  /** Resolves with the server's answer; the signal cancels the call. */
  call(message: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const connection = this.#current;
    if (connection === undefined) {
      return Promise.reject(new NetobservError(GRPC_ERRORS.closed, 'the client is not open'));
    }
    const deadline = this.#deps.clock.nowMs() + this.#config.callTimeoutMs;
    connection.calls++;
    return new Promise((resolve, reject) => {
      const call = connection.client.makeUnaryRequest<Uint8Array, Uint8Array>(
        this.#config.method,
        asBuffer,
        (answer) => answer,
        message,
        metadataOf(this.#config),
        { deadline },
        (error, answer) => {
          signal.removeEventListener('abort', onAbort);
          this.#ended(connection, error !== null);
          if (error === null) resolve(answer ?? NOTHING);
          else reject(callError(error, this.#target));
        },
      );
      const onAbort = (): void => call.cancel();
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #ended(connection: Connection, failed: boolean): void {
    connection.calls--;
    if (connection.isRetired) {
      if (connection.calls === 0) connection.client.close();
      return;
    }
    this.#failures = failed ? this.#failures + 1 : 0;
    if (this.#failures >= REOPEN_FAILURES && !this.#closing.signal.aborted) {
      this.#failures = 0;
      this.#replace(() => this.#connect());
    }
  }

  /** The old connection ends after its last call. */
  #replace(connect: () => Connection): void {
    try {
      const next = connect();
      const old = this.#current;
      this.#current = next;
      if (old === undefined) return;
      old.isRetired = true;
      if (old.calls === 0) old.client.close();
    } catch (error) {
      this.#deps.log.warn({ error: explain(error) }, 'no new connection: the old one is kept');
    }
  }

  #connect(): Connection {
    const options: ChannelOptions = {
      // Channels to one target would otherwise share a connection, old and new alike.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.initial_reconnect_backoff_ms': BACKOFF_FIRST_MS,
      'grpc.max_reconnect_backoff_ms': BACKOFF_MAX_MS,
      'grpc.dns_min_time_between_resolutions_ms': BACKOFF_MAX_MS,
      'grpc.max_send_message_length': this.#config.messageBytesMax,
      'grpc.max_receive_message_length': ANSWER_BYTES_MAX,
      ...nameOverride(this.#config),
    };
    const credentials = credentialsOf(this.#config.tls, this.#config.host);
    return { client: new Client(this.#target, credentials, options), calls: 0, isRetired: false };
  }

  /** Agents that connected at the same time do not reconnect at the same time. */
  async #reconnectForever(): Promise<void> {
    const { clock, random } = this.#deps;
    const { reconnectMs, reconnectJitterMs } = this.#config;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const waitMs = reconnectMs + (2 * random() - 1) * reconnectJitterMs;
      await clock.sleep(waitMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.#reconnect();
    }
  }

  /** The new connection is ready before the old one is closed. */
  async #reconnect(): Promise<void> {
    const { clock, log } = this.#deps;
    let next: Connection | undefined;
    try {
      next = this.#connect();
      await ready(next.client, clock.nowMs() + CONNECT_TIMEOUT_MS);
    } catch (error) {
      next?.client.close();
      log.warn({ error: explain(error) }, 'no new connection: the old one is kept');
      return;
    }
    const connected = next;
    if (this.#closing.signal.aborted) connected.client.close();
    else this.#replace(() => connected);
  }

  /** True while there is a connection; for tests and health. */
  isReady(): boolean {
    const state = this.#current?.client.getChannel().getConnectivityState(false);
    return state === connectivityState.READY;
  }
}

/**
 * A trailing dot keeps resolvers from trying search domains. It is not part of the name that TLS
 * sends (RFC 6066, 3), and servers, including Go's, refuse a name with it.
 */
export function nameOverride({ host, tls }: Pick<GrpcClientConfig, 'host' | 'tls'>) {
  if (tls === undefined || !host.endsWith('.')) return {};
  return { 'grpc.ssl_target_name_override': host.slice(0, -1) };
}

function metadataOf({ headers = {} }: Pick<GrpcClientConfig, 'headers'>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

function ready(client: Client, deadlineMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(deadlineMs, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}
