import { constants, statSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { NetobservError } from '../../base/errors.ts';
import type { ListenAddress } from '../../base/listen.ts';
import { CONFIG_ERRORS } from '../../config/errors.ts';
import { TokenAuth } from '../../console/server/auth.ts';
import { type ConsoleConfig, DEFAULT_LIMITS, watchToken } from '../../console/server/config.ts';
import type { HttpServerDeps } from '../../telemetry/http.ts';
import type { Log } from '../../telemetry/log.ts';
import { type RenewalDeps, renewalReport } from '../../telemetry/renewals.ts';
import type { RenewalReport } from '../../telemetry/renewed-files.ts';
import { RenewedCertificate } from '../../telemetry/server-tls.ts';

/** Protects the console from strangers. Files are read again when they change. */
export type Protection = Pick<ConsoleConfig, 'token' | 'tls'>;

/** Files of the protection: an undefined or empty path means that there is none. */
export interface ProtectionFiles {
  readonly tokenPath: string | undefined;
  readonly tlsCertFile: string;
  readonly tlsKeyFile: string;
}

/** Renewed files, by their names in log, metrics and `/readyz`. */
export const CONSOLE_RENEWALS = ['console_token', 'console_tls'] as const;
export type ConsoleRenewal = (typeof CONSOLE_RENEWALS)[number];

/** For files whose renewals are reported elsewhere. */
export const UNREPORTED: RenewalReport = { renewed: () => undefined, refused: () => undefined };

export function consoleRenewals(
  deps: RenewalDeps,
): Readonly<Record<ConsoleRenewal, RenewalReport>> {
  return {
    console_token: renewalReport('console_token', deps),
    console_tls: renewalReport('console_tls', deps),
  };
}

export function protectionOf(
  { tokenPath, tlsCertFile, tlsKeyFile }: ProtectionFiles,
  reportOf: (what: ConsoleRenewal) => RenewalReport,
): Protection {
  if ((tlsCertFile === '') !== (tlsKeyFile === '')) {
    const [given, missing] =
      tlsKeyFile === ''
        ? ['--tls-cert-file', '--tls-key-file']
        : ['--tls-key-file', '--tls-cert-file'];
    throw new NetobservError(CONFIG_ERRORS.invalid, `${given} needs ${missing}: they go together`);
  }
  const files = { certPath: tlsCertFile, keyPath: tlsKeyFile };
  return {
    ...(tokenPath === undefined ? {} : { token: watchToken(tokenPath, reportOf('console_token')) }),
    ...(tlsCertFile === '' ? {} : { tls: new RenewedCertificate(files, reportOf('console_tls')) }),
  };
}

export function warnOfReaders(tokenPath: string | undefined, log: Log): void {
  if (tokenPath === undefined || !isReadableByAll(tokenPath)) return;
  log.warn({ path: tokenPath }, 'every account of this host may read the token file');
}

function isReadableByAll(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & constants.S_IROTH) !== 0;
}

/** Servers beside the console, such as that of profiles, are no more open than the console is. */
export function guardOf(
  { token }: Protection,
  { port }: ListenAddress,
  clock: Clock,
): Pick<HttpServerDeps, 'allows'> {
  if (token === undefined) return {};
  const auth = new TokenAuth(token, clock, { ...DEFAULT_LIMITS, port });
  return {
    allows({ headers, socket }) {
      try {
        auth.check(headers, socket.remoteAddress ?? '');
        return true;
      } catch {
        return false;
      }
    },
  };
}
