import { assert } from '../../base/assert.ts';
import type { HttpClient, HttpClientConfig } from '../../net/http/client.ts';
import type { RenewalReport } from '../../telemetry/renewed-files.ts';
import type { Refused, Target } from '../delivery.ts';
import type { Message } from '../message.ts';

export interface HttpTargetOptions extends Omit<HttpClientConfig, 'connectionsMax'> {
  /** Requests at the same time; each has a connection. */
  readonly inFlightMax: number;
  /** Headers of a request; called for each one, since tokens are renewed. */
  readonly headers: () => Readonly<Record<string, string>>;
  /** Flows that the server refused from a message that it took, by the start of its answer. */
  readonly refusedFlows?: (answer: Uint8Array) => number;
}

/** POST requests with one message each. A busy server may state when to try again. */
export class HttpTarget implements Target<Message> {
  readonly inFlightMax: number;
  readonly #options: HttpTargetOptions;
  readonly #report: RenewalReport;
  #client: HttpClient | undefined;

  constructor(options: HttpTargetOptions, report: RenewalReport) {
    this.inFlightMax = options.inFlightMax;
    this.#options = options;
    this.#report = report;
  }

  /** Reads the certificates and throws when they cannot be used. */
  async open(): Promise<void> {
    const http = await import('../../net/http/client.ts');
    const {
      inFlightMax: connectionsMax,
      headers: _,
      refusedFlows: _flows,
      ...config
    } = this.#options;
    this.#client = new http.HttpClient({ ...config, connectionsMax }, this.#report);
  }

  async send({ bytes }: Message, signal: AbortSignal): Promise<Refused> {
    assert(this.#client !== undefined, 'the target is open');
    const { headers, refusedFlows = () => 0 } = this.#options;
    return { flows: refusedFlows(await this.#client.post(bytes, headers(), signal)) };
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}
