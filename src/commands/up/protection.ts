import { constants, statSync } from 'node:fs';
import { NetobservError } from '../../base/errors.ts';
import { ConfigError } from '../../config/errors.ts';
import { type ConsoleConfig, watchToken } from '../../console/server/config.ts';
import { type RenewalDeps, renewalReport } from '../../telemetry/renewals.ts';
import { RenewedCertificate } from '../../telemetry/server-tls.ts';
import type { UpConfig } from './host.ts';

/** What keeps strangers out of the console. Files are read anew when they change. */
export type Protection = Pick<ConsoleConfig, 'token' | 'tls'>;

export function protectionOf(
  { tlsCertFile, tlsKeyFile }: Pick<UpConfig, 'tlsCertFile' | 'tlsKeyFile'>,
  tokenPath: string | undefined,
  deps: RenewalDeps,
): Protection {
  if ((tlsCertFile === '') !== (tlsKeyFile === '')) {
    const [given, missing] =
      tlsKeyFile === ''
        ? ['--tls-cert-file', '--tls-key-file']
        : ['--tls-key-file', '--tls-cert-file'];
    throw new NetobservError(ConfigError.invalid, `${given} needs ${missing}: they go together`);
  }
  if (tokenPath !== undefined && isReadableByAll(tokenPath)) {
    deps.log.warn({ path: tokenPath }, 'every account of this host may read the token file');
  }
  const files = { certPath: tlsCertFile, keyPath: tlsKeyFile };
  return {
    ...(tokenPath === undefined
      ? {}
      : { token: watchToken(tokenPath, renewalReport('console_token', deps)) }),
    ...(tlsCertFile === ''
      ? {}
      : { tls: new RenewedCertificate(files, renewalReport('console_tls', deps)) }),
  };
}

function isReadableByAll(path: string): boolean {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & constants.S_IROTH) !== 0;
}
