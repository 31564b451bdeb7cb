import { configError, PIPELINE_ERRORS } from './errors.ts';
import type { ClientTls } from './options/tls.ts';

/** Throws if a certificate and its key are not given together. */
export function checkClientTls(tls: ClientTls | undefined, path: string): void {
  if (tls === undefined || (tls.userCertPath === '') === (tls.userKeyPath === '')) return;
  const problem = 'userCertPath and userKeyPath go together';
  throw configError(PIPELINE_ERRORS.option, `${path}.tls`, problem);
}

/**
 * The files of `tls` under the names that connections use; an empty path is none. Undefined: the
 * connection is in plain text.
 */
export function clientTlsFiles(tls: ClientTls | undefined, path: string) {
  checkClientTls(tls, path);
  if (tls === undefined) return undefined;
  const { insecureSkipVerify, caCertPath, userCertPath, userKeyPath } = tls;
  return {
    insecureSkipVerify,
    ...(caCertPath === '' ? {} : { caPath: caCertPath }),
    ...(userCertPath === '' ? {} : { certPath: userCertPath, keyPath: userKeyPath }),
  };
}
