import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { HttpRequest } from './client.ts';

export interface AwsIdentity {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** Signs requests to an S3 server (AWS Signature Version 4). */
export class AwsSigner {
  readonly #url: URL;
  readonly #signer: SignatureV4;

  constructor(origin: string, { accessKeyId, secretAccessKey, region }: AwsIdentity) {
    this.#url = new URL(origin);
    this.#signer = new SignatureV4({
      credentials: { accessKeyId, secretAccessKey },
      ...{ region, service: 's3', sha256: Sha256 },
      // Paths are escaped once, and signed as they are sent.
      uriEscapePath: false,
    });
  }

  /** Resolves to the headers of the request, and those that sign it. */
  async sign(request: HttpRequest, now: Date): Promise<Readonly<Record<string, string>>> {
    const { host, hostname, protocol, port } = this.#url;
    const signed = await this.#signer.sign(
      {
        ...{ method: request.method, protocol, hostname, path: request.path, query: {} },
        ...(port === '' ? {} : { port: Number(port) }),
        headers: { ...request.headers, host },
        body: request.body,
      },
      { signingDate: now },
    );
    return signed.headers;
  }
}

/** The contract of the signer's library, with Node's own hashes. */
class Sha256 {
  readonly #secret: unknown;
  #hash: Hash | Hmac;

  constructor(secret?: unknown) {
    this.#secret = secret;
    this.#hash = begin(secret);
  }

  update(data: Uint8Array | string): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {
    this.#hash = begin(this.#secret);
  }
}

function begin(secret: unknown): Hash | Hmac {
  return secret === undefined
    ? createHash('sha256')
    : createHmac('sha256', secret as Uint8Array | string);
}
