import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { decodeCompressed, type SentSeries, seriesKey } from '../codec/remote-write-schema.ts';
import type { Certificate } from './otlp-receiver.ts';

/** Answer to a request; the default is 204. */
export interface WriteAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly text?: string;
}

interface WriteReceived {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly series: readonly SentSeries[];
  readonly status: number;
}

/** A receiver of remote write whose answers a test chooses. */
export interface WriteReceiver {
  readonly url: string;
  readonly requests: readonly WriteReceived[];
  /** Taken first; then 204. */
  readonly answers: (WriteAnswer | 'none')[];
  /** Samples that were taken, by series, in order of arrival. */
  samples(): ReadonlyMap<string, readonly { readonly value: number; readonly timestamp: number }[]>;
}

export async function remoteWriteReceiver(tls?: Certificate): Promise<WriteReceiver> {
  const requests: WriteReceived[] = [];
  const answers: (WriteAnswer | 'none')[] = [];
  const listener: Parameters<typeof createHttpServer>[1] = (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const answer = answers.shift() ?? { status: 204 };
      if (answer === 'none') {
        request.socket.destroy();
        return;
      }
      const { status, headers = {}, text = '' } = answer;
      requests.push({
        ...{ path: request.url ?? '', headers: request.headers, status },
        series: decodeCompressed(Buffer.concat(parts)),
      });
      response.writeHead(status, headers).end(text);
    });
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http${tls === undefined ? '' : 's'}://localhost:${port}/api/v1/write`,
    requests,
    answers,
    samples() {
      const all = new Map<string, SentSeries['samples'][number][]>();
      for (const one of requests.filter(({ status }) => status === 204)) {
        for (const series of one.series) {
          const key = seriesKey(series);
          all.set(key, [...(all.get(key) ?? []), ...series.samples]);
        }
      }
      return all;
    },
  };
}
