import { expect, test } from 'vitest';
import { TokenAuth } from '../../../../src/console/server/auth.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const TOKEN = 'correct-horse-battery';
const LIMITS = { port: 9001, loginFailuresMax: 3, loginWindowMs: 60_000, sessionMs: 3_600_000 };

function setUp() {
  const clock = new ManualClock();
  return { clock, auth: new TokenAuth(() => TOKEN, clock, LIMITS) };
}

const refusal = (code: string) => expect.objectContaining({ code });

test('the token opens, anything else does not', () => {
  const { auth } = setUp();
  expect(() => auth.check({ authorization: `Bearer ${TOKEN}` }, '::1')).not.toThrow();
  for (const authorization of [undefined, '', 'Bearer', `Basic ${TOKEN}`, `Bearer ${TOKEN}x`]) {
    expect(() => auth.check({ authorization }, '::2')).toThrow(
      refusal('ERR_CONSOLE_UNAUTHENTICATED'),
    );
  }
});

test('a session lasts as long as it should, also for another process with the same token', () => {
  const { auth, clock } = setUp();
  const cookie = auth.login(TOKEN, '::1');
  expect(cookie).toMatch(
    /^netobserv_session_9001_[\da-f]{8}=[\w.-]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=3600$/,
  );
  const session = { cookie: `theme=dark; ${cookie.split(';')[0]}` };
  clock.jump(LIMITS.sessionMs - 1000);
  new TokenAuth(() => TOKEN, clock, LIMITS).check(session, '::1');
  clock.jump(1000);
  expect(() => auth.check(session, '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
});

test('a session of another token, or with another end, is none', () => {
  const { auth, clock } = setUp();
  const other = new TokenAuth(() => 'another-token-altogether', clock, LIMITS);
  const [pair = ''] = other.login('another-token-altogether', '::1').split(';');
  expect(() => auth.check({ cookie: pair }, '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
  const [own = ''] = auth.login(TOKEN, '::1').split(';');
  const stretched = own.replace(/=(\d+)/, (_, end: string) => `=${Number(end) + 1}`);
  expect(() => auth.check({ cookie: stretched }, '::1')).toThrow(
    refusal('ERR_CONSOLE_UNAUTHENTICATED'),
  );
});

test('wrong tokens of one address are limited, by login and by header together', () => {
  const { auth, clock } = setUp();
  const wrong = () => auth.login('wrong', '10.0.0.9');
  expect(wrong).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
  expect(() => auth.check({ authorization: 'Bearer wrong' }, '10.0.0.9')).toThrow(
    refusal('ERR_CONSOLE_UNAUTHENTICATED'),
  );
  expect(wrong).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
  clock.jump(15_000);
  expect(wrong).toThrow(
    expect.objectContaining({
      code: 'ERR_CONSOLE_LOGIN_RATE',
      context: expect.objectContaining({ retryAfterS: 45 }),
    }),
  );
  // Behind a proxy all clients share this address: the right token is never refused.
  expect(auth.login(TOKEN, '10.0.0.9')).toContain('netobserv_session_9001_');
  expect(() => auth.check({ authorization: `Bearer ${TOKEN}` }, '10.0.0.9')).not.toThrow();
  expect(wrong).toThrow(refusal('ERR_CONSOLE_LOGIN_RATE'));
  clock.jump(45_000);
  expect(wrong).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
});

test('the memory of failing addresses is bounded', () => {
  const { auth } = setUp();
  const fail = (address: string) => {
    expect(() => auth.login('wrong', address)).toThrow();
  };
  for (let i = 0; i < 3; i++) fail('first');
  for (let i = 0; i < 1024; i++) fail(`address ${i}`);
  // The address has been forgotten, so it may try again.
  expect(() => auth.login('wrong', 'first')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
});

const sessionOf = (cookie: string) => ({ cookie: cookie.split(';', 1)[0]! });

test('a session that was logged out is none any more, others are', () => {
  const { auth } = setUp();
  const [mine, other] = [auth.login(TOKEN, '::1'), auth.login(TOKEN, '::1')].map(sessionOf);
  expect(auth.logout(mine!)).toMatch(/netobserv_session_9001_\w+=;.*Max-Age=0/);
  expect(() => auth.check(mine!, '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
  expect(() => auth.check(other!, '::1')).not.toThrow();
});

test('another token ends all sessions, and is the one that opens', () => {
  const clock = new ManualClock();
  let token = TOKEN;
  const auth = new TokenAuth(() => token, clock, LIMITS);
  const session = sessionOf(auth.login(TOKEN, '::1'));
  token = 'a-new-token-of-today';
  expect(() => auth.check(session, '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
  expect(() => auth.login(TOKEN, '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
  expect(auth.login(token, '::1')).toContain('netobserv_session_9001_');
});

test('over TLS, browsers are told to send the cookie over TLS only', () => {
  const auth = new TokenAuth(() => TOKEN, new ManualClock(), { ...LIMITS, isTls: true });
  expect(auth.login(TOKEN, '::1')).toMatch(/; Secure$/);
});

test.each([
  ['another port', { port: 9002, token: TOKEN }],
  ['another token', { port: 9001, token: 'another-token-altogether' }],
])('a browser is logged in to two consoles of one host name: %s', (_, { port, token }) => {
  const { auth, clock } = setUp();
  const other = new TokenAuth(() => token, clock, { ...LIMITS, port });
  // Like a browser, which sends all cookies of the name to both.
  const jar = new Map<string, string>();
  const keep = (cookie: string) => {
    const [name = '', value = ''] = cookie.split(';', 1)[0]!.split('=');
    jar.set(name, value);
  };
  const sent = () => ({ cookie: [...jar].map((pair) => pair.join('=')).join('; ') });
  keep(auth.login(TOKEN, '::1'));
  keep(other.login(token, '::1'));
  expect(() => auth.check(sent(), '::1')).not.toThrow();
  expect(() => other.check(sent(), '::1')).not.toThrow();
  keep(other.logout(sent()));
  expect(() => auth.check(sent(), '::1')).not.toThrow();
  expect(() => other.check(sent(), '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
});
