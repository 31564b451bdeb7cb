import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Server as GrpcServer, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js';
import { onTestFinished } from 'vitest';
import { encodeAnswer } from '../codec/otlp-schema.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A request as the receiver got it. */
interface Received {
  /** Path of HTTP, or method of gRPC. */
  readonly to: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array;
}

/** A receiver of the OpenTelemetry protocol that answers with `answer`. */
export interface OtlpReceiver {
  readonly port: number;
  readonly requests: readonly Received[];
  answer: Uint8Array;
}

const METHODS = [
  '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
];

export async function httpOtlpReceiver(tls?: Certificate): Promise<OtlpReceiver> {
  const requests: Received[] = [];
  const receiver = { port: 0, requests, answer: encodeAnswer({}) };
  const listener: RequestListener = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { url = '', headers } = request;
      requests.push({ to: url, headers, body: Buffer.concat(parts) });
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end(receiver.answer);
    });
  };
  const server: Server =
    tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  receiver.port = (server.address() as AddressInfo).port;
  return receiver;
}

export async function grpcOtlpReceiver(tls?: Certificate): Promise<OtlpReceiver> {
  const requests: Received[] = [];
  const receiver = { port: 0, requests, answer: encodeAnswer({}) };
  const server = new GrpcServer();
  const asIs = (bytes: Buffer): Buffer => bytes;
  for (const path of METHODS) {
    const handle = (
      call: { request: Buffer; metadata: { getMap(): Record<string, unknown> } },
      callback: (error: null, answer: Buffer) => void,
    ): void => {
      requests.push({ to: path, headers: call.metadata.getMap(), body: call.request });
      callback(null, Buffer.from(receiver.answer));
    };
    const method = {
      ...{ path, requestStream: false, responseStream: false },
      ...{ requestSerialize: asIs, requestDeserialize: asIs },
      ...{ responseSerialize: asIs, responseDeserialize: asIs },
    };
    server.addService({ Export: method }, { Export: handle as unknown as UntypedHandleCall });
  }
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
        ]);
  receiver.port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
  onTestFinished(() => server.forceShutdown());
  return receiver;
}
