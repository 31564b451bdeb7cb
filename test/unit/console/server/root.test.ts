import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { createConsole } from '../../../../src/console/server/root.ts';
import { Health } from '../../../../src/telemetry/health.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { configOf, depsOf, fakeStore, metricValue, raw, running } from './harness.ts';

const TOKEN = 'correct-horse-battery';

function startOn(host: string, port: number): Promise<void> {
  const config = configOf({ listen: { host, port } });
  const console = createConsole(config, depsOf(fakeStore(), new ManualClock()));
  return console.start(new AbortController().signal);
}

test.each(['0.0.0.0', '::', '10.1.2.3', 'node-1'])(
  '%s is refused without a token',
  async (host) => {
    await expect(startOn(host, 9001)).rejects.toMatchObject({
      code: 'ERR_CONSOLE_TOKEN_REQUIRED',
      message: expect.stringContaining('--token-file'),
    });
  },
);

test('a port that is taken is named, with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const started = startOn('127.0.0.1', port);
  await expect(started).rejects.toMatchObject({ code: 'ERR_CONSOLE_LISTEN_IN_USE' });
  await expect(started).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`);
  await expect(started).rejects.toThrow('--listen');
  other.close();
});

test('an address that this machine does not have', async () => {
  const config = configOf({ listen: { host: '203.0.113.7', port: 0 }, token: TOKEN });
  const console = createConsole(config, depsOf(fakeStore(), new ManualClock()));
  await expect(console.start(new AbortController().signal)).rejects.toMatchObject({
    code: 'ERR_CONSOLE_LISTEN',
    message: expect.stringContaining('203.0.113.7'),
  });
});

test('what did not start can be stopped', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const config = configOf({ listen: { host: '127.0.0.1', port } });
  const console = createConsole(config, depsOf(fakeStore(), new ManualClock()));
  await expect(console.start(new AbortController().signal)).rejects.toThrow();
  await console.stop();
  other.close();
});

test('the address is the bound one', async () => {
  await using console = await running();
  const address = console.server.address();
  expect(address.port).toBeGreaterThan(0);
  expect(address.url).toBe(`http://127.0.0.1:${address.port}`);
});

test.each(['/', '/api/status', '/api/nothing', '/metrics'])(
  '%s is not answered for a name that is not ours',
  async (path) => {
    await using console = await running({ allowedHosts: ['flows.example.org'] });
    const answer = await raw(console.port, path, { headers: { host: 'evil.example:9001' } });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'ERR_CONSOLE_HOST' });
    // Refusals carry the security headers as well.
    expect(answer.headers['content-security-policy']).toContain("default-src 'self'");
    const line = 'netobserv_console_rejected_requests_total{reason="host"}';
    expect(await metricValue(console.metrics, line)).toBe(1);
    const known = await raw(console.port, '/api/status', {
      headers: { host: 'flows.example.org:9001' },
    });
    expect(known.status).toBe(200);
  },
);

test('pages of other sites cannot call the API, links to the console work', async () => {
  await using console = await running({ token: TOKEN });
  const crossSite = { 'sec-fetch-site': 'cross-site', authorization: `Bearer ${TOKEN}` };
  expect((await raw(console.port, '/api/status', { headers: crossSite })).status).toBe(403);
  const login = await raw(console.port, '/api/login', {
    method: 'POST',
    headers: { origin: 'http://evil.example', 'content-type': 'application/json' },
    body: JSON.stringify({ token: TOKEN }),
  });
  expect(login.status).toBe(403);
  expect(JSON.parse(login.body)).toMatchObject({ code: 'ERR_CONSOLE_ORIGIN' });
});

test('security headers: nothing inline, nothing from elsewhere, no framing', async () => {
  await using console = await running();
  const { headers } = await raw(console.port, '/api/status');
  const policy = String(headers['content-security-policy']);
  expect(policy).toContain("default-src 'self'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect(policy).not.toContain('upgrade-insecure-requests');
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
  });
  expect(headers).not.toHaveProperty('strict-transport-security');
});

test('with a token, every call needs it, however its path is spelled', async () => {
  await using console = await running({ token: TOKEN });
  const paths = [
    '/api/status',
    '/api/%73tatus',
    '/%61pi/status',
    '/api/flow/records',
    '/api/flow/metrics?aggregateBy=app',
    '/api/flow/values?field=Proto',
    '/api/frontend-config',
    '/api/live',
    '/metrics',
  ];
  for (const path of paths) {
    const answer = await raw(console.port, path);
    expect([path, answer.status]).toEqual([path, 401]);
    expect(answer.headers['www-authenticate']).toContain('Bearer');
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'ERR_CONSOLE_UNAUTHENTICATED' });
  }
  expect(console.store.asked).toEqual([]);
  const headers = { authorization: `Bearer ${TOKEN}` };
  expect((await raw(console.port, '/api/status', { headers })).status).toBe(200);
  expect((await raw(console.port, '/metrics', { headers })).status).toBe(200);
});

test('a browser logs in, works and logs out', async () => {
  await using console = await running({ token: TOKEN });
  const login = (body: unknown) =>
    raw(console.port, '/api/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: `http://127.0.0.1:${console.port}` },
      body: JSON.stringify(body),
    });
  expect((await login({ token: 'wrong' })).status).toBe(401);
  expect((await login({})).status).toBe(400);
  expect((await login({ token: TOKEN, more: 1 })).status).toBe(400);
  const entered = await login({ token: TOKEN });
  expect(entered.status).toBe(204);
  const [cookie = ''] = entered.headers['set-cookie'] ?? [];
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  const headers = { cookie: cookie.split(';')[0] ?? '' };
  expect((await raw(console.port, '/api/status', { headers })).status).toBe(200);
  const left = await raw(console.port, '/api/logout', { method: 'POST', headers });
  expect(left.status).toBe(204);
  expect(left.headers['set-cookie']?.[0]).toMatch(/netobserv_session_\w+=;.*Max-Age=0/);
  // A kept cookie is useless.
  expect((await raw(console.port, '/api/status', { headers })).status).toBe(401);
});

test('guessing is limited', async () => {
  await using console = await running({ token: TOKEN, limits: { loginFailuresMax: 2 } });
  const guess = () =>
    raw(console.port, '/api/status', { headers: { authorization: 'Bearer guess' } });
  expect((await guess()).status).toBe(401);
  expect((await guess()).status).toBe(401);
  const limited = await guess();
  expect(limited.status).toBe(429);
  expect(limited.headers['retry-after']).toBe('60');
});

test.each([
  ['a form', 'application/x-www-form-urlencoded', 'token=x', 'ERR_CONSOLE_BAD_REQUEST', 400],
  ['plain text', 'text/plain', '{"token":"x"}', 'ERR_CONSOLE_BAD_REQUEST', 400],
  ['broken JSON', 'application/json', '{"token"', 'ERR_CONSOLE_BAD_REQUEST', 400],
  ['no object', 'application/json', '"x"', 'ERR_CONSOLE_PARAMETER', 400],
  [
    'too much',
    'application/json',
    `{"token":"${'x'.repeat(9000)}"}`,
    'ERR_CONSOLE_BODY_TOO_LARGE',
    413,
  ],
])('a login of %s is refused', async (_what, type, body, code, status) => {
  await using console = await running({ token: TOKEN });
  const headers = { 'content-type': type };
  const answer = await raw(console.port, '/api/login', { method: 'POST', headers, body });
  expect(answer.status).toBe(status);
  expect(JSON.parse(answer.body)).toMatchObject({ code });
});

test('a console without a token has no login', async () => {
  await using console = await running();
  const answer = await raw(console.port, '/api/login', { method: 'POST' });
  expect(answer.status).toBe(404);
});

/** The server's answer to bytes that are not a request, or not yet one. */
async function talk(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  let text = '';
  for await (const piece of socket.setEncoding('utf8')) text += piece;
  return text;
}

test.each([
  [
    'headers that are too long',
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
    '431',
    'ERR_CONSOLE_HEADERS_TOO_LARGE',
  ],
  [
    'an address that is too long',
    `GET /${'x'.repeat(70_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    '431',
    'ERR_CONSOLE_HEADERS_TOO_LARGE',
  ],
  ['no HTTP at all', 'hello there\r\n\r\n', '400', 'ERR_CONSOLE_BAD_REQUEST'],
])('%s', async (_what, bytes, status, code) => {
  await using console = await running();
  const text = await talk(console.port, bytes);
  expect(text).toContain(`HTTP/1.1 ${status} `);
  expect(text).toContain(code);
});

test('a client that sends too slowly is told and cut off', async () => {
  await using console = await running({ limits: { requestTimeoutMs: 200 } });
  const text = await talk(console.port, 'GET /api/status HTTP/1.1\r\nHost: localhost\r\n');
  expect(text).toContain('HTTP/1.1 408 ');
  expect(text).toContain('ERR_CONSOLE_REQUEST_TIMEOUT');
});

async function withFrontEnd(use: (webRoot: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'console-web-'));
  try {
    // The packed program keeps the web root below a hidden folder.
    const webRoot = join(folder, '.cache', 'web');
    await mkdir(join(webRoot, 'assets'), { recursive: true });
    await writeFile(join(webRoot, 'index.html'), '<!doctype html><title>page</title>');
    await writeFile(join(webRoot, 'favicon.svg'), '<svg/>');
    await writeFile(join(webRoot, 'assets', 'app-1a2b.js'), 'let original;');
    await writeFile(join(webRoot, 'assets', 'app-1a2b.js.gz'), gzipSync('let original;'));
    await writeFile(join(webRoot, '.hidden'), 'hidden');
    await writeFile(join(folder, 'secret.txt'), 'not for browsers');
    await use(webRoot);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the front end: its page for every address of its own, its files as they are', () =>
  withFrontEnd(async (webRoot) => {
    await using console = await running({ webRoot });
    for (const path of ['/', '/index.html', '/overview/', '/flows/deep/?limit=5']) {
      const page = await raw(console.port, path);
      expect([path, page.status]).toEqual([path, 200]);
      expect(page.body).toContain('<title>page</title>');
      expect(page.headers['cache-control']).toBe('no-cache');
      expect(page.headers['content-type']).toContain('text/html');
    }
    const script = await raw(console.port, '/assets/app-1a2b.js');
    expect(script.body).toBe('let original;');
    expect(script.headers['cache-control']).toBe('public, max-age=31536000, immutable');
    expect((await raw(console.port, '/favicon.svg')).headers['cache-control']).toBe('no-cache');
    const packed = await raw(console.port, '/assets/app-1a2b.js', {
      headers: { 'accept-encoding': 'gzip' },
    });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(Number(packed.headers['content-length'])).toBe(gzipSync('let original;').length);
    for (const path of ['/assets/gone.js', '/.hidden', '/api', '/api/gone']) {
      expect([path, (await raw(console.port, path)).status]).toEqual([path, 404]);
    }
    expect((await raw(console.port, '/overview', { method: 'POST' })).status).toBe(404);
    expect((await raw(console.port, '/overview/', { method: 'HEAD' })).status).toBe(200);
  }));

test.each([
  ['/flows', './flows/'],
  ['/tools/flows?tab=flows&filters=a?b/c', './flows/?tab=flows&filters=a?b/c'],
  ['/javascript:alert(1)', './javascript:alert(1)/'],
  ['/flows?', './flows/?'],
])('the page finds its parts only below a slash: %s leads to %s', (path, location) =>
  withFrontEnd(async (webRoot) => {
    await using console = await running({ webRoot });
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await raw(console.port, path, { method });
      expect([status, headers.location]).toEqual([302, location]);
    }
  }),
);

test('below a path that a proxy leaves in place, the page has its parts', () =>
  withFrontEnd(async (webRoot) => {
    await writeFile(join(webRoot, 'theme.js'), 'let theme;');
    await using console = await running({ webRoot });
    const get = (path: string) => raw(console.port, path);
    expect((await get('/tools/flows/')).body).toContain('<title>page</title>');
    expect((await get('/tools/flows/theme.js')).body).toBe('let theme;');
    expect((await get('/tools/flows/assets/app-1a2b.js')).body).toBe('let original;');
    expect(JSON.parse((await get('/tools/flows/api/status')).body)).toHaveProperty('store');
    expect((await get('/tools/flows/api/flow/records?limit=5')).status).toBe(200);
    // A filter may contain something that looks like one.
    expect((await get('/overview/?filters=x/api/status')).body).toContain('<title>page</title>');
    expect((await get('/tools/api/gone')).status).toBe(404);
    const outside = await get('/tools/assets/../../../secret.txt');
    expect(outside.body).not.toContain('not for browsers');
  }));

test('nothing outside of the folder is served', () =>
  withFrontEnd(async (webRoot) => {
    await using console = await running({ webRoot });
    const paths = [
      '/../secret.txt',
      '/assets/../../secret.txt',
      '/%2e%2e/secret.txt',
      '/..%2fsecret.txt',
      '/assets/..%2f..%2fsecret.txt',
      '/%252e%252e/secret.txt',
      '/..\\secret.txt',
      '/secret.txt%00',
      '//etc/passwd',
    ];
    for (const path of paths) {
      const answer = await raw(console.port, path);
      expect(answer.body).not.toContain('not for browsers');
      expect(answer.body).not.toContain('root:');
      expect([path, answer.status >= 400]).toEqual([path, true]);
    }
  }));

test('a front end that was not built is named', async () => {
  const config = configOf({ webRoot: '/nowhere/web' });
  const console = createConsole(config, depsOf(fakeStore(), new ManualClock()));
  await expect(console.start(new AbortController().signal)).rejects.toMatchObject({
    code: 'ERR_CONSOLE_WEB_ROOT',
    message: expect.stringContaining('/nowhere/web'),
  });
});

test('probes and metrics', async () => {
  const health = new Health();
  let ok = false;
  health.addReady('store', () => (ok ? { ok } : { ok: false, reason: 'starting' }));
  await using console = await running({ token: TOKEN }, { health });
  expect((await raw(console.port, '/livez')).status).toBe(200);
  expect((await raw(console.port, '/readyz')).status).toBe(503);
  ok = true;
  expect((await raw(console.port, '/readyz')).status).toBe(200);
});

test('stopping does not wait for ever for a client that does not read', async () => {
  const rows = Array.from({ length: 10_000 }, () => ({ SrcK8S_Name: 'x'.repeat(2000) }));
  const store = fakeStore(async () => ({ rows, limitReached: false }));
  const console = await running({ limits: { stopGraceMs: 500 } }, { store });
  const socket = connect(console.port, '127.0.0.1');
  socket.write('GET /api/flow/records HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'readable');
  let stopped = false;
  const stopping = console.server.stop().then(() => {
    stopped = true;
  });
  // The grace period ends as soon as it begins.
  await expect
    .poll(() => {
      console.clock.jump(500);
      return stopped;
    })
    .toBe(true);
  await stopping;
  socket.destroy();
  await expect(fetch(`${console.url}/api/status`)).rejects.toThrow();
});
