import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Health } from '../../../src/telemetry/health.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { createTelemetryServer } from '../../../src/telemetry/server.ts';
import { RenewedCertificate } from '../../../src/telemetry/server-tls.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { metricValue, running } from '../console/server/harness.ts';

/** More than Node reads at once. */
const LONG_BYTES = 1_000_000;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function certificateFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'plain-http-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const paths = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem') };
  const { cert, key } = selfSigned();
  writeFileSync(paths.certPath, cert);
  writeFileSync(paths.keyPath, key);
  return paths;
}

interface TlsServer {
  readonly port: number;
  readonly metrics: Metrics;
}

async function startMetrics(): Promise<TlsServer> {
  const metrics = createMetrics('netobserv_');
  const deps = { log: createLog('silent'), metrics, counts: metrics, health: new Health() };
  const config = { address: '127.0.0.1', port: 0, tls: certificateFiles() };
  const server = createTelemetryServer(config, deps);
  cleanups.push(() => server.stop());
  await server.start(new AbortController().signal);
  return { port: server.port(), metrics };
}

async function startConsole(): Promise<TlsServer> {
  const report = { renewed: () => undefined, refused: () => undefined };
  const console = await running({ tls: new RenewedCertificate(certificateFiles(), report) });
  cleanups.push(() => console[Symbol.asyncDispose]());
  return console;
}

/** The whole answer to `bytes`, until the server has closed the connection. */
async function answerTo(port: number, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  // A reset may follow the answer if unread bytes remain.
  socket.on('error', () => undefined);
  socket.write(bytes);
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

function statusOverTls(port: number, path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path, rejectUnauthorized: false };
    request(options, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

describe.each([
  ['console', '/api/status', startConsole],
  ['metrics', '/livez', startMetrics],
] as const)('the HTTPS port of the %s', (name, path, start) => {
  const line = `netobserv_http_plain_requests_total{server="${name}"}`;

  test.each([
    ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['HEAD /livez HTTP/1.0\r\n\r\n'],
    ['PUT /metrics HTTP/1.1\r\nHost: flows.example.org\r\n\r\n'],
    [`POST /api/login HTTP/1.1\r\nContent-Length: ${LONG_BYTES}\r\n\r\n${'x'.repeat(LONG_BYTES)}`],
    [`GET /?filters=${'x'.repeat(LONG_BYTES)} HTTP/1.1\r\n\r\n`],
  ])('tells plain HTTP the address that is right: %#', async (bytes) => {
    const { port, metrics } = await start();
    const [head = '', body = ''] = (await answerTo(port, bytes)).split('\r\n\r\n', 2);
    expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    expect(head).toContain('Content-Type: text/plain');
    expect(head).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
    expect(body).toContain(`https://127.0.0.1:${port}/`);
    expect(await metricValue(metrics, line)).toBe(1);
    expect(await statusOverTls(port, path)).toBe(200);
  });

  test.each([['SSH-2.0-OpenSSH_9.2\r\n'], [Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0)]])(
    'closes on what is neither without a word',
    async (bytes) => {
      const { port, metrics } = await start();
      expect(await answerTo(port, bytes)).not.toContain('HTTP');
      expect((await metricValue(metrics, line)) ?? 0).toBe(0);
      expect(await statusOverTls(port, path)).toBe(200);
    },
  );
});
