import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { Health, type HealthState } from '../../../src/telemetry/health.ts';
import type { HttpServerConfig, HttpServerDeps } from '../../../src/telemetry/http.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { createTelemetryServer } from '../../../src/telemetry/server.ts';
import { selfSigned } from '../../support/net/certificate.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const LOOPBACK = { address: '127.0.0.1', port: 0 };

async function start(config: HttpServerConfig = LOOPBACK, more: Partial<HttpServerDeps> = {}) {
  const metrics = createMetrics('t_');
  const own = { log: createLog('silent'), metrics, counts: metrics, health: new Health() };
  const deps = { ...own, ...more };
  const server = createTelemetryServer(config, deps);
  cleanups.push(() => server.stop());
  await server.start(new AbortController().signal);
  return { ...own, server, base: `http://127.0.0.1:${server.port()}` };
}

test('serves metrics of both kinds in the text format', async () => {
  const { base, metrics } = await start();
  metrics.counter('done_total', 'Things done', ['kind']).inc({ kind: 'a' }, 3);
  const exposed = metrics.expose({ names: ['own'], text: () => '# TYPE own gauge\nown 7\n' });
  const response = await fetch(`${base}/metrics`);
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await response.text();
  expect(text).toContain('t_done_total{kind="a"} 3\n');
  expect(text).toMatch(/\nown 7\n$/);
  exposed[Symbol.dispose]();
  expect(await (await fetch(`${base}/metrics`)).text()).not.toContain('own 7');
});

test('readiness follows the checks, liveness its own', async () => {
  const { base, health } = await start();
  let state: HealthState = { ok: false, reason: 'still loading' };
  const check = health.addReady('store', () => state);
  expect((await fetch(`${base}/readyz`)).status).toBe(503);
  expect((await fetch(`${base}/livez`)).status).toBe(200);
  expect(await (await fetch(`${base}/readyz`)).json()).toEqual({});
  expect(await (await fetch(`${base}/readyz?full=1`)).json()).toEqual({ store: state });
  state = { ok: true };
  expect((await fetch(`${base}/readyz`)).status).toBe(200);
  health.addLive('loop', () => ({ ok: false, reason: 'stuck' }));
  expect((await fetch(`${base}/livez`)).status).toBe(503);
  check[Symbol.dispose]();
  expect(await (await fetch(`${base}/readyz?full=1`)).json()).toEqual({});
});

test.each([
  ['POST', '/metrics', 405],
  ['GET', '/nothing', 404],
  ['HEAD', '/livez', 200],
])('%s %s is answered %i', async (method, path, status) => {
  const { base } = await start();
  expect((await fetch(base + path, { method })).status).toBe(status);
});

test('a port in use is a coded error', async () => {
  const { server } = await start();
  const second = createTelemetryServer(
    { address: '127.0.0.1', port: server.port() },
    { log: createLog('silent'), metrics: createMetrics(''), health: new Health() },
  );
  await expect(second.start(new AbortController().signal)).rejects.toMatchObject({
    code: 'ERR_TELEMETRY_LISTEN',
    message: expect.stringContaining(`127.0.0.1:${server.port()}`),
  });
  await second.stop();
});

test('serves over TLS, and says which files it cannot read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'telemetry-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const tls = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem') };
  await expect(start({ ...LOOPBACK, tls })).rejects.toMatchObject({ code: 'ERR_TELEMETRY_TLS' });

  const { cert, key } = selfSigned();
  writeFileSync(tls.certPath, cert);
  writeFileSync(tls.keyPath, key);
  const { server } = await start({ ...LOOPBACK, tls });
  const status = await new Promise((resolve, reject) => {
    const options = { port: server.port(), path: '/livez', rejectUnauthorized: false };
    request(options, (response) => resolve(response.statusCode))
      .on('error', reject)
      .end();
  });
  expect(status).toBe(200);
});

/** The server's current certificate, as hex of all its bytes. */
function shownBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().raw.toString('hex'));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

const certificateIn = (pem: string): string => new X509Certificate(pem).raw.toString('hex');

test('renewed certificates are shown by the next handshake, useless ones leave the old', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'telemetry-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const tls = { certPath: join(folder, 'cert.pem'), keyPath: join(folder, 'key.pem') };
  const write = ({ cert, key }: ReturnType<typeof selfSigned>): void => {
    writeFileSync(tls.certPath, cert);
    writeFileSync(tls.keyPath, key);
  };
  const [first, second] = [selfSigned(), selfSigned()];
  write(first);
  const { server, health, metrics } = await start({ ...LOOPBACK, tls });
  expect(await shownBy(server.port())).toBe(certificateIn(first.cert));
  write(second);
  expect(await shownBy(server.port())).toBe(certificateIn(second.cert));

  // Half of a renewal, then an invalid certificate, then a missing key.
  writeFileSync(tls.certPath, first.cert);
  expect(await shownBy(server.port())).toBe(certificateIn(second.cert));
  writeFileSync(tls.certPath, 'nonsense');
  expect(await shownBy(server.port())).toBe(certificateIn(second.cert));
  rmSync(tls.keyPath);
  expect(await shownBy(server.port())).toBe(certificateIn(second.cert));
  expect(health.ready()).toMatchObject({
    ok: true,
    checks: { metrics: { ok: true, note: expect.stringContaining('the old ones stay') } },
  });
  const text = await metrics.registry.metrics();
  expect(text).toContain('t_renewed_files_total{what="metrics",outcome="refused"} 3');

  write(first);
  expect(await shownBy(server.port())).toBe(certificateIn(first.cert));
  expect(health.ready().checks.metrics).toEqual({ ok: true });
});

test('a probe is answered however many connections of others wait', async () => {
  const { base, server, metrics } = await start();
  const silent = Array.from({ length: 200 }, () => connect(server.port(), '127.0.0.1'));
  for (const socket of silent) socket.on('error', () => undefined);
  cleanups.push(() => {
    for (const socket of silent) socket.destroy();
  });
  await once(silent.at(-1)!, 'connect');
  for (let i = 0; i < 3; i++) expect((await fetch(`${base}/livez`)).status).toBe(200);
  const text = await metrics.registry.metrics();
  expect(text).toMatch(/limited_connections_total\{server="metrics",outcome="closed"\} \d+/);
});

test('what only some may see needs what they know; probes do not', async () => {
  const allows = ({ headers }: IncomingMessage): boolean => headers.authorization === 'Bearer x';
  const { base } = await start(LOOPBACK, { allows });
  const refused = await fetch(`${base}/metrics`);
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
    401,
    'Bearer realm="netobserv"',
  ]);
  const headers = { authorization: 'Bearer x' };
  expect((await fetch(`${base}/metrics`, { headers })).status).toBe(200);
  expect((await fetch(`${base}/livez`)).status).toBe(200);
});

test('metrics need the token of a file, which may change; probes do not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-token-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const tokenPath = join(folder, 'token');
  const [first, second] = ['0123456789abcdef', 'fedcba9876543210~'];
  writeFileSync(tokenPath, `${first}\n`);
  const { base, metrics } = await start({ ...LOOPBACK, tokenPath });
  const status = async (authorization?: string, path = '/metrics'): Promise<number> => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    return (await fetch(`${base}${path}`, { headers })).status;
  };
  expect(await status()).toBe(401);
  for (const wrong of [first, 'Bearer', `Bearer ${first}x`, `Basic ${first}`, 'Bearer \u00e4']) {
    expect(await status(wrong)).toBe(401);
  }
  expect(await status(`Bearer ${first}`)).toBe(200);
  expect(await status(undefined, '/livez')).toBe(200);
  expect(await status(undefined, '/readyz')).toBe(200);
  const refused = await fetch(`${base}/metrics`);
  expect(refused.headers.get('www-authenticate')).toBe('Bearer realm="netobserv"');
  expect(await refused.text()).toContain('the token of tokenPath');

  writeFileSync(tokenPath, second);
  expect([await status(`Bearer ${first}`), await status(`bearer ${second}`)]).toEqual([401, 200]);
  writeFileSync(tokenPath, 'short');
  expect(await status(`Bearer ${second}`)).toBe(200);
  const text = await metrics.registry.metrics();
  expect(text).toContain('http_refused_requests_total{server="metrics"} 8\n');
  expect(text).toContain('renewed_files_total{what="metrics_token",outcome="refused"} 1\n');
});

test.each([
  ['no file', undefined],
  ['a short token', 'short'],
  ['two lines', '0123456789abcdef\n0123456789abcdef\n'],
])('%s is a mistake, with what is right', async (_what, content) => {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-token-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  const tokenPath = join(folder, 'token');
  if (content !== undefined) writeFileSync(tokenPath, content);
  await expect(start({ ...LOOPBACK, tokenPath })).rejects.toThrow(
    expect.objectContaining({
      code: 'ERR_TELEMETRY_TOKEN',
      message: expect.stringMatching(/no token can be read from .*token: (ENOENT|it takes one)/),
    }),
  );
});

test('a family that is declared twice is one; another of its name is refused', () => {
  const metrics = createMetrics('x_');
  expect(metrics.counter('a', 'A')).toBe(metrics.counter('a', 'A'));
  expect(() => metrics.expose({ names: ['x_a'], text: () => '' })).toThrow(
    expect.objectContaining({ code: 'ERR_TELEMETRY_METRIC_DUPLICATE' }),
  );
  metrics.expose({ names: ['b'], text: () => '' });
  expect(() => metrics.expose({ names: ['b'], text: () => '' })).toThrow('metric b is already');
});
