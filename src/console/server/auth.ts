import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { ANSWERS, AnswerError } from './errors.ts';

/** Prefix of the cookie's name, before the port and a hash: see `TokenAuth`. */
const COOKIE_PREFIX = 'netobserv_session';

/** Addresses whose failures are remembered; the one with the oldest failure is forgotten first. */
const FAILING_ADDRESSES_MAX = 1024;

export interface AuthOptions {
  /** Port of the console, as configured. */
  readonly port: number;
  /** Browsers send the cookie over TLS only. */
  readonly isTls?: boolean;
  readonly loginFailuresMax: number;
  readonly loginWindowMs: number;
  readonly sessionMs: number;
}

/** Proof that a request offers. */
export interface Credentials {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
}

/** Logged-out sessions that are remembered; the one that expires first is forgotten first. */
const ENDED_SESSIONS_MAX = 4096;

/**
 * Checks the one token that a console may have.
 *
 * A session is its expiry time and a random part, signed with a key made from the token: it
 * survives a restart, and another token ends every session. Only sessions that were logged out are
 * remembered, until their expiry; a restart forgets them.
 *
 * Browsers send a cookie to every port and, through a proxy, every path of its host name. So that
 * several consoles there keep separate sessions, the cookie's name distinguishes them: by port on
 * one machine, by token behind a proxy. Those that share both share their sessions, as replicas
 * should.
 */
export class TokenAuth {
  readonly #token: () => string;
  readonly #clock: Clock;
  readonly #options: AuthOptions;
  readonly #failures = new Map<string, { count: number; untilMs: number }>();
  /** Expiry times of logged-out sessions. */
  readonly #ended = new Map<string, number>();
  #keys: TokenKeys;

  /** Each check reads the token, because it may change at any time. */
  constructor(token: () => string, clock: Clock, options: AuthOptions) {
    this.#token = token;
    this.#keys = keysOf(token());
    this.#clock = clock;
    this.#options = options;
  }

  /** Throws unless the request proves that it knows the token. */
  check(credentials: Credentials, remoteAddress: string): void {
    const bearer = /^Bearer +(\S+)$/i.exec(credentials.authorization ?? '')?.[1];
    if (bearer !== undefined) {
      this.#checkToken(bearer, remoteAddress);
      return;
    }
    const session = cookieValue(credentials.cookie, this.#cookieName());
    if (session !== undefined && this.#isSession(session)) return;
    throw new AnswerError(
      ANSWERS.unauthenticated,
      session === undefined
        ? 'this console needs its token: log in, or send it as "Authorization: Bearer <token>"'
        : 'the session has ended: log in again',
    );
  }

  /** `Set-Cookie` of a new session for a caller who knows the token; throws for anyone else. */
  login(token: string, remoteAddress: string): string {
    this.#checkToken(token, remoteAddress);
    const expires = String(Math.floor((this.#clock.nowMs() + this.#options.sessionMs) / 1000));
    const maxAgeS = Math.floor(this.#options.sessionMs / 1000);
    const nonce = randomBytes(SESSION_NONCE_BYTES).toString('base64url');
    return this.#setCookie(`${expires}.${nonce}${this.#sign(expires, nonce)}`, maxAgeS);
  }

  /** Ends the session of the request, if it has one; `Set-Cookie` makes the browser forget it. */
  logout(credentials: Credentials): string {
    const session = cookieValue(credentials.cookie, this.#cookieName());
    if (session !== undefined && this.#isSession(session)) this.#end(session);
    return this.#setCookie('', 0);
  }

  #end(session: string): void {
    const nowMs = this.#clock.nowMs();
    for (const [other, untilMs] of this.#ended) if (untilMs <= nowMs) this.#ended.delete(other);
    this.#ended.set(session, endOf(session));
    if (this.#ended.size <= ENDED_SESSIONS_MAX) return;
    const [first] = [...this.#ended].sort(([, a], [, b]) => a - b);
    this.#ended.delete(first![0]);
  }

  /**
   * Limits only wrong tokens: behind a proxy everybody has its address, and must not be locked out
   * by somebody's guesses. The right token cannot be guessed at any rate.
   */
  #checkToken(token: string, remoteAddress: string): void {
    // Digests always have the same length, so that the comparison's time reveals nothing.
    if (timingSafeEqual(sha256(token), this.#currentKeys().tokenDigest)) return;
    const nowMs = this.#clock.nowMs();
    const failing = this.#failures.get(remoteAddress);
    const count = failing === undefined || failing.untilMs <= nowMs ? 0 : failing.count;
    if (failing !== undefined && count >= this.#options.loginFailuresMax) {
      throw new AnswerError(ANSWERS.loginRate, 'too many wrong tokens from this address', {
        retryAfterS: Math.max(1, Math.ceil((failing.untilMs - nowMs) / 1000)),
      });
    }
    const untilMs = count === 0 ? nowMs + this.#options.loginWindowMs : (failing?.untilMs ?? nowMs);
    this.#remember(remoteAddress, count + 1, untilMs);
    throw new AnswerError(ANSWERS.unauthenticated, 'this is not the console’s token');
  }

  #currentKeys(): TokenKeys {
    const token = this.#token();
    if (token !== this.#keys.token) {
      this.#keys = keysOf(token);
      // They are no longer valid sessions.
      this.#ended.clear();
    }
    return this.#keys;
  }

  #remember(address: string, count: number, untilMs: number): void {
    this.#failures.delete(address);
    this.#failures.set(address, { count, untilMs });
    if (this.#failures.size <= FAILING_ADDRESSES_MAX) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      return;
    }
  }

  #isSession(session: string): boolean {
    const [expires = '', rest = ''] = session.split('.', 2);
    if (session.length > SESSION_CHARS_MAX || !/^\d{1,12}$/.test(expires)) return false;
    const nonce = rest.slice(0, SESSION_NONCE_CHARS);
    const signature = rest.slice(SESSION_NONCE_CHARS);
    if (!timingSafeEqual(sha256(signature), sha256(this.#sign(expires, nonce)))) return false;
    return endOf(session) > this.#clock.nowMs() && !this.#ended.has(session);
  }

  #setCookie(value: string, maxAgeS: number): string {
    // Over plain HTTP, a browser would not send it back with Secure.
    const secure = this.#options.isTls === true ? '; Secure' : '';
    const attributes = `Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}${secure}`;
    return `${this.#cookieName()}=${value}; ${attributes}`;
  }

  #cookieName(): string {
    return `${COOKIE_PREFIX}_${this.#options.port}_${this.#currentKeys().cookieMark}`;
  }

  #sign(expires: string, nonce: string): string {
    const { sessionKey } = this.#currentKeys();
    return createHmac('sha256', sessionKey).update(`${expires}.${nonce}`).digest('base64url');
  }
}

interface TokenKeys {
  readonly token: string;
  readonly tokenDigest: Buffer;
  readonly sessionKey: Buffer;
  /** Reveals nothing that a session's signature does not. */
  readonly cookieMark: string;
}

const SESSION_NONCE_BYTES = 12;
/** In base64url, which encodes three bytes as four characters. */
const SESSION_NONCE_CHARS = (SESSION_NONCE_BYTES / 3) * 4;
const SESSION_CHARS_MAX = 128;
/** In hexadecimal. */
const COOKIE_MARK_CHARS = 8;

function keysOf(token: string): TokenKeys {
  const sessionKey = createHmac('sha256', token).update('netobserv console session').digest();
  const cookieMark = createHmac('sha256', token).update('netobserv console cookie').digest('hex');
  return {
    token,
    tokenDigest: sha256(token),
    sessionKey,
    cookieMark: cookieMark.slice(0, COOKIE_MARK_CHARS),
  };
}

/** Expiry time of a session in epoch milliseconds. */
function endOf(session: string): number {
  return Number(session.split('.', 1)[0]) * 1000;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
