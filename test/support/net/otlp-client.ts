import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import {
  Client,
  compressionAlgorithms,
  credentials,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { decodeStatus } from '../codec/otlp-schema.ts';

/** Clients that send to `ingest: otlplogs`, without code of ours. */

const METHOD = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';

/** Certificates in PEM. */
interface Tls {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface PostAnswer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** One request by a connection of its own. */
export function post(
  port: number,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  more: { readonly path?: string; readonly method?: string; readonly tls?: Tls } = {},
): Promise<PostAnswer> {
  const { path = '/v1/logs', method = 'POST', tls } = more;
  const send = tls === undefined ? httpRequest : httpsRequest;
  const options = {
    ...{ host: 'localhost', port, path, method, agent: false, ...tls },
    headers: { 'content-type': 'application/x-protobuf', ...headers },
  };
  return new Promise((resolve, reject) => {
    const request = send(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const { statusCode: status, headers: got } = response;
        resolve({ status, headers: got, body: Buffer.concat(parts) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** The error of a call, with the `google.rpc.Status` that came along. */
export interface CallFailure {
  readonly code: number;
  readonly message: string;
  readonly status: unknown;
}

/** Calls by one channel; each resolves to the answer, or rejects with a `CallFailure`. */
export function grpcCalls(
  port: number,
  options: { readonly gzip?: boolean; readonly tls?: Tls } = {},
): (message: Uint8Array) => Promise<Buffer> {
  const { tls, gzip = false } = options;
  const pem = (text: string | undefined): Buffer | null =>
    text === undefined ? null : Buffer.from(text);
  const channel =
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(Buffer.from(tls.ca), pem(tls.key), pem(tls.cert));
  const client = new Client(`localhost:${port}`, channel, {
    'grpc.enable_retries': 0,
    ...(gzip ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {}),
  });
  onTestFinished(() => client.close());
  const asIs = (bytes: Buffer): Buffer => bytes;
  return (message) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + 10_000;
      const done = (error: ServiceError | null, answer?: Buffer): void => {
        if (error === null) resolve(answer!);
        else reject(failureOf(error));
      };
      client.makeUnaryRequest(METHOD, asIs, asIs, Buffer.from(message), { deadline }, done);
    });
}

function failureOf({ code, details, metadata }: ServiceError): CallFailure {
  const [status] = (metadata as Metadata).get('grpc-status-details-bin');
  return { code, message: details, status: status && decodeStatus(status as Buffer) };
}
