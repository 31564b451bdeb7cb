import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { AwsIdentity, AwsSigner } from '../../net/http/aws-signer.ts';
import type { HttpClient, HttpRequest, HttpTlsFiles } from '../../net/http/client.ts';
import { type RenewalReport, RenewedFiles } from '../../telemetry/renewed-files.ts';
import type { Target } from '../delivery.ts';
import type { Message } from '../message.ts';

/** The contents of one object. */
export interface S3Message extends Message {
  /** Name of the object in its bucket. */
  readonly key: string;
}

export interface S3TargetOptions extends Omit<AwsIdentity, 'secretAccessKey'> {
  /** The secret, or the file that contains it. */
  readonly secret: { readonly text: string } | { readonly path: string };
  /** `https://host:port`. */
  readonly origin: string;
  readonly bucket: string;
  readonly tls?: HttpTlsFiles;
  readonly inFlightMax: number;
  readonly answerTimeoutMs: number;
  readonly contentType: string;
  readonly isCompressed: boolean;
}

export interface S3TargetDeps {
  readonly clock: Clock;
  readonly report: RenewalReport;
}

const compress = promisify(gzip);

/** Puts each message into an object of its own. Putting it twice makes one object. */
export class S3Target implements Target<S3Message> {
  readonly inFlightMax: number;
  readonly #options: S3TargetOptions;
  readonly #deps: S3TargetDeps;
  #client: HttpClient | undefined;
  /** Made again when the file of the secret is renewed. */
  #signers: RenewedFiles<AwsSigner> | undefined;

  constructor(options: S3TargetOptions, deps: S3TargetDeps) {
    this.inFlightMax = options.inFlightMax;
    this.#options = options;
    this.#deps = deps;
  }

  /** Reads the secret and the certificates; throws when they cannot be used. */
  async open(): Promise<void> {
    const [http, aws] = await Promise.all([
      import('../../net/http/client.ts'),
      import('../../net/http/aws-signer.ts'),
    ]);
    const { origin, tls, inFlightMax, answerTimeoutMs, secret } = this.#options;
    const { report } = this.#deps;
    this.#client = new http.HttpClient(
      {
        ...{ url: origin, answerTimeoutMs, connectionsMax: inFlightMax, isIdempotent: true },
        ...(tls === undefined ? {} : { tls }),
      },
      report,
    );
    this.#signers = new RenewedFiles(
      'path' in secret ? [secret.path] : [],
      ([content]) => {
        const text = 'path' in secret ? String(content).trim() : secret.text;
        return new aws.AwsSigner(origin, { ...this.#options, secretAccessKey: text });
      },
      report,
    );
    this.#signers.current();
  }

  async send({ bytes, key }: S3Message, signal: AbortSignal): Promise<void> {
    assert(this.#client !== undefined && this.#signers !== undefined, 'the target is open');
    const { bucket, contentType, isCompressed } = this.#options;
    const request: HttpRequest = {
      method: 'PUT',
      path: `/${[bucket, ...key.split('/')].map(escaped).join('/')}`,
      headers: {
        'content-type': contentType,
        ...(isCompressed ? { 'content-encoding': 'gzip' } : {}),
      },
      body: isCompressed ? await compress(bytes) : bytes,
    };
    const now = new Date(this.#deps.clock.nowMs());
    const headers = await this.#signers.current().sign(request, now);
    await this.#client.send({ ...request, headers }, signal);
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

/** A part of a path, escaped as AWS signs it: RFC 3986, section 2.3. */
function escaped(part: string): string {
  return encodeURIComponent(part).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
