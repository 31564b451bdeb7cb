import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { appendRows } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { certificateFiles } from '../../support/net/certificate.ts';

/** Stages that send by HTTPS, to a server that requests the certificate of its clients. */

const folder = mkdtempSync(join(tmpdir(), 'netobserv-client-'));
afterAll(() => rmSync(folder, { recursive: true }));
const server = certificateFiles(folder, 'server');
const client = certificateFiles(folder, 'client');
const stranger = certificateFiles(folder, 'stranger');

/** Names of the clients whose requests arrived. */
async function receiver() {
  const clients: (string | undefined)[] = [];
  const names = new Map([client, stranger].map((one) => [pemOf(one.certPath), one.certPath]));
  const https = createServer(
    {
      ...{ cert: readFileSync(server.certPath), key: readFileSync(server.keyPath) },
      ...{ ca: readFileSync(client.certPath), requestCert: true, rejectUnauthorized: true },
    },
    (request, response) => {
      const { raw } = (request.socket as TLSSocket).getPeerCertificate();
      clients.push(names.get(raw.toString('base64')));
      request.resume().on('end', () => response.writeHead(200).end());
    },
  );
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  onTestFinished(() => {
    https.closeAllConnections();
    https.close();
  });
  return { port: (https.address() as AddressInfo).port, clients };
}

function pemOf(path: string): string {
  return readFileSync(path, 'utf8')
    .replaceAll(/-----.*-----/g, '')
    .replaceAll('\n', '');
}

const metrics = [{ name: 'flows_total', type: 'counter' }];
const otlp = (port: number, tls: object) => ({
  ...{ address: 'localhost', port, connectionType: 'http', tls },
});

const STAGES: Readonly<Record<string, (port: number, tls: object) => object>> = {
  otlplogs: otlp,
  otlptraces: otlp,
  otlpmetrics: (port, tls) => ({ ...otlp(port, tls), metrics }),
  s3: (port, tls) => ({
    ...{ account: 'a', accessKeyId: 'b', secretAccessKey: 'c', bucket: 'd', secure: true },
    ...{ endpoint: `localhost:${port}`, tls },
  }),
  prom: (port, tls) => ({
    ...{ metrics, expiryTime: '1h' },
    remoteWrite: { url: `https://localhost:${port}/write`, interval: '1h', tls },
  }),
};

async function send(type: string, options: object): Promise<void> {
  const { pipeline } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'preset-ingester' }],
      parameters: [{ name: 'out', encode: { type, [type]: options } }],
    },
    { clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, [{ Bytes: 1 }]);
  pipeline.emit(batch);
  await pipeline.stop();
}

const as = ({ certPath: userCertPath, keyPath: userKeyPath }: typeof client) => ({
  ...{ userCertPath, userKeyPath },
});
const trusting = { caCertPath: server.certPath };

describe.each(Object.entries(STAGES))('%s', (type, optionsFor) => {
  test.each([
    ['with a certificate that the server knows', { ...trusting, ...as(client) }, client.certPath],
    ['without checking the server', { insecureSkipVerify: true, ...as(client) }, client.certPath],
    ['with a certificate of somebody else', { ...trusting, ...as(stranger) }, undefined],
    ['without a certificate', trusting, undefined],
    ['with a server that nobody vouches for', as(client), undefined],
  ])('%s', async (_how, tls, arrived) => {
    const { port, clients } = await receiver();
    await send(type, optionsFor(port, tls));
    expect(clients).toEqual(arrived === undefined ? [] : [arrived]);
  });
});
