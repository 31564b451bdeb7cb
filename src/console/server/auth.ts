import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { AnswerError } from './errors.ts';

export const SESSION_COOKIE = 'netobserv_session';

/** Addresses whose failures are remembered; the one that failed longest ago is forgotten first. */
const FAILING_ADDRESSES_MAX = 1024;

export interface AuthLimits {
  readonly loginFailuresMax: number;
  readonly loginWindowMs: number;
  readonly sessionMs: number;
}

/** What a request offers as proof. */
export interface Credentials {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
}

/**
 * Checks the one token that a console may have.
 *
 * A session is the time when it ends, signed with a key made from the token: nothing is kept for
 * it, it survives a restart, and changing the token ends every session.
 */
export class TokenAuth {
  readonly #tokenDigest: Buffer;
  readonly #sessionKey: Buffer;
  readonly #clock: Clock;
  readonly #limits: AuthLimits;
  readonly #failures = new Map<string, { count: number; untilMs: number }>();

  constructor(token: string, clock: Clock, limits: AuthLimits) {
    this.#tokenDigest = sha256(token);
    this.#sessionKey = createHmac('sha256', token).update('netobserv console session').digest();
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Throws unless the request proves that it knows the token. */
  check(credentials: Credentials, remoteAddress: string): void {
    const bearer = /^Bearer +(\S+)$/i.exec(credentials.authorization ?? '')?.[1];
    if (bearer !== undefined) {
      this.#checkToken(bearer, remoteAddress);
      return;
    }
    const session = cookieValue(credentials.cookie, SESSION_COOKIE);
    if (session !== undefined && this.#isSession(session)) return;
    throw new AnswerError(
      'ERR_CONSOLE_UNAUTHENTICATED',
      session === undefined
        ? 'this console needs its token: log in, or send it as "Authorization: Bearer <token>"'
        : 'the session has ended: log in again',
    );
  }

  /** `Set-Cookie` of a new session for someone who knows the token; throws for anyone else. */
  login(token: string, remoteAddress: string): string {
    this.#checkToken(token, remoteAddress);
    const expires = String(Math.floor((this.#clock.nowMs() + this.#limits.sessionMs) / 1000));
    const maxAgeS = Math.floor(this.#limits.sessionMs / 1000);
    return setCookie(`${expires}.${this.#sign(expires)}`, maxAgeS);
  }

  /** `Set-Cookie` that makes the browser forget its session. */
  logout(): string {
    return setCookie('', 0);
  }

  #checkToken(token: string, remoteAddress: string): void {
    const nowMs = this.#clock.nowMs();
    const failing = this.#failures.get(remoteAddress);
    const count = failing === undefined || failing.untilMs <= nowMs ? 0 : failing.count;
    if (failing !== undefined && count >= this.#limits.loginFailuresMax) {
      throw new AnswerError('ERR_CONSOLE_LOGIN_RATE', 'too many wrong tokens from this address', {
        retryAfterS: Math.max(1, Math.ceil((failing.untilMs - nowMs) / 1000)),
      });
    }
    // Digests have one length whatever was sent, so that the comparison's time tells nothing.
    if (timingSafeEqual(sha256(token), this.#tokenDigest)) {
      this.#failures.delete(remoteAddress);
      return;
    }
    const untilMs = count === 0 ? nowMs + this.#limits.loginWindowMs : (failing?.untilMs ?? nowMs);
    this.#remember(remoteAddress, count + 1, untilMs);
    throw new AnswerError('ERR_CONSOLE_UNAUTHENTICATED', 'this is not the console’s token');
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
    const [expires = '', signature = ''] = session.split('.', 2);
    if (!/^\d{1,12}$/.test(expires)) return false;
    if (!timingSafeEqual(sha256(signature), sha256(this.#sign(expires)))) return false;
    return Number(expires) * 1000 > this.#clock.nowMs();
  }

  #sign(expires: string): string {
    return createHmac('sha256', this.#sessionKey).update(expires).digest('base64url');
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function setCookie(value: string, maxAgeS: number): string {
  // No Secure: the console itself speaks plain HTTP, and a browser would not send the cookie back.
  return `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAgeS}`;
}

function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
