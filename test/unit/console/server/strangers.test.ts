import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { fakeStore, metricValue, raw, running } from './harness.ts';

const TOKEN = 'correct-horse-battery';

test('a stream ends with its session', async () => {
  await using console = await running({ token: TOKEN });
  const login = await raw(console.port, '/api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: TOKEN }),
  });
  const headers = { cookie: login.headers['set-cookie']![0]!.split(';')[0]! };
  const stream = request({ port: console.port, host: '127.0.0.1', path: '/api/live', headers });
  stream.end();
  const [answer] = (await once(stream, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  await once(answer, 'data');
  await console.clock.advance(6000);
  expect(answer.destroyed).toBe(false);
  const ended = once(answer, 'error');
  await raw(console.port, '/api/logout', { method: 'POST', headers });
  await console.clock.advance(6000);
  await ended;
});

test('one address cannot keep others out: what waits goes for the newcomer', async () => {
  const limits = { connectionsMax: 8, connectionsPerAddressMax: 6 };
  await using console = await running({ limits, token: TOKEN });
  const silent = Array.from({ length: 20 }, () => connect(console.port, '127.0.0.1'));
  for (const socket of silent) socket.on('error', () => undefined);
  const half = connect({ port: console.port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  half.write('GET /api/status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ');
  await once(half, 'connect');
  const unsent = Array.from({ length: 8 }, () => connect(console.port, '127.0.0.1'));
  for (const socket of unsent) {
    socket.on('error', () => undefined);
    socket.write(
      'POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
        'Content-Length: 99\r\n\r\n',
    );
  }
  for (let i = 0; i < 10; i++) {
    expect((await raw(console.port, '/api/status')).status).toBe(401);
  }
  const line = 'netobserv_http_limited_connections_total{server="console",outcome="closed"}';
  expect(await metricValue(console.metrics, line)).toBeGreaterThanOrEqual(14);
  for (const socket of [...silent, ...unsent, half]) socket.destroy();
});

test('what is being answered is not closed for a newcomer', async () => {
  const limits = { connectionsMax: 3, connectionsPerAddressMax: 3 };
  let answer: () => void = () => undefined;
  const store = fakeStore(async (kind) => {
    await new Promise<void>((resolve) => {
      answer = resolve;
    });
    return kind === 'values' ? ['x'] : { rows: [], limitReached: false };
  });
  await using console = await running({ limits }, { store });
  const asked = raw(console.port, '/api/flow/values?field=Proto');
  await expect.poll(() => store.asked.length).toBe(1);
  const silent = Array.from({ length: 5 }, () => connect(console.port, '127.0.0.1'));
  for (const socket of silent) socket.on('error', () => undefined);
  expect((await raw(console.port, '/api/status')).status).toBe(200);
  answer();
  expect((await asked).status).toBe(200);
  for (const socket of silent) socket.destroy();
});

test('a proxy may pass another Host, if the origin’s name is allowed', async () => {
  await using console = await running({ token: TOKEN, allowedHosts: ['flows.example.org'] });
  const login = await raw(console.port, '/api/login', {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      origin: 'https://flows.example.org',
      'sec-fetch-site': 'same-origin',
    },
    body: JSON.stringify({ token: TOKEN }),
  });
  expect(login.status).toBe(204);
});
