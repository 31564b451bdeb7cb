import { expect, test } from 'vitest';
import { TokenAuth } from '../../../../src/console/server/auth.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const TOKEN = 'correct-horse-battery';
const LIMITS = { loginFailuresMax: 3, loginWindowMs: 60_000, sessionMs: 3_600_000 };

function setUp() {
  const clock = new ManualClock();
  return { clock, auth: new TokenAuth(TOKEN, clock, LIMITS) };
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
    /^netobserv_session=\d+\.[\w-]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=3600$/,
  );
  const session = { cookie: `theme=dark; ${cookie.split(';')[0]}` };
  clock.jump(LIMITS.sessionMs - 1000);
  new TokenAuth(TOKEN, clock, LIMITS).check(session, '::1');
  clock.jump(1000);
  expect(() => auth.check(session, '::1')).toThrow(refusal('ERR_CONSOLE_UNAUTHENTICATED'));
});

test('a session of another token, or with another end, is none', () => {
  const { auth, clock } = setUp();
  const other = new TokenAuth('another-token-altogether', clock, LIMITS);
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
  // Even the right one, or guessing would go on unhindered.
  expect(() => auth.login(TOKEN, '10.0.0.9')).toThrow(
    expect.objectContaining({
      code: 'ERR_CONSOLE_LOGIN_RATE',
      context: expect.objectContaining({ retryAfterS: 45 }),
    }),
  );
  expect(auth.login(TOKEN, '10.0.0.8')).toContain('netobserv_session=');
  clock.jump(45_000);
  expect(auth.login(TOKEN, '10.0.0.9')).toContain('netobserv_session=');
});

test('the memory of failing addresses is bounded', () => {
  const { auth } = setUp();
  const fail = (address: string) => {
    expect(() => auth.login('wrong', address)).toThrow();
  };
  for (let i = 0; i < 3; i++) fail('first');
  for (let i = 0; i < 1024; i++) fail(`address ${i}`);
  // Forgotten, so it may try again.
  expect(auth.login(TOKEN, 'first')).toContain('netobserv_session=');
});
