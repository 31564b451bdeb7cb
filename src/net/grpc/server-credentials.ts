import { createSecureContext } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import { type RenewalReport, RenewedFiles } from '../../telemetry/renewed-files.ts';
import { GRPC_ERRORS } from './errors.ts';

/** Paths of PEM files. */
export interface ServerTlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
  /** Authorities of clients' certificates: clients must have one. */
  readonly clientCaPath?: string;
}

interface Pems {
  readonly cert: readonly Buffer[];
  readonly key: readonly Buffer[];
  readonly ca?: Buffer;
}

/** Parts of grpc-js that its types hide: it has no public way to renew a certificate. */
interface Hidden {
  updateSecureContextOptions(options: Pems): void;
  _getConstructorOptions(): object;
}

/** Credentials of a server, and a look at their files: later connections use the newest ones. */
export interface RenewedCredentials {
  readonly credentials: ServerCredentials;
  look(): void;
}

/** Without files, connections are in plain text. Throws `GRPC_ERRORS.tls`. */
export function serverCredentials(
  files: ServerTlsFiles | undefined,
  report: RenewalReport,
): RenewedCredentials {
  if (files === undefined) {
    return { credentials: ServerCredentials.createInsecure(), look: () => undefined };
  }
  const { certPath, keyPath, clientCaPath } = files;
  const paths = [certPath, keyPath, ...(clientCaPath === undefined ? [] : [clientCaPath])];
  try {
    return renewed(new RenewedFiles(paths, usable, report));
  } catch (cause) {
    throw new NetobservError(
      GRPC_ERRORS.tls,
      `no usable certificates and keys in ${paths.join(', ')}`,
      { cause, details: { ...files } },
    );
  }
}

function renewed(files: RenewedFiles<Pems>): RenewedCredentials {
  let used = files.current();
  const { cert, key, ca = null } = used;
  const pairs = [{ cert_chain: cert[0]!, private_key: key[0]! }];
  const credentials = ServerCredentials.createSsl(ca, pairs, ca !== null);
  const hidden = credentials as unknown as Hidden;
  // flowlogs-pipeline accepts nothing older.
  Object.assign(hidden._getConstructorOptions(), { minVersion: 'TLSv1.3' });
  return {
    credentials,
    look() {
      const newest = files.current();
      if (newest !== used) hidden.updateSecureContextOptions(newest);
      used = newest;
    },
  };
}

/** Throws if the certificate and the key do not match, for example while they are renewed. */
function usable([cert = '', key = '', ca]: readonly string[]): Pems {
  createSecureContext({ cert, key, ...(ca === undefined ? {} : { ca }) });
  for (const text of [cert, ca ?? cert]) {
    // OpenSSL accepts a file without certificates.
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate in PEM');
  }
  return {
    cert: [Buffer.from(cert)],
    key: [Buffer.from(key)],
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
  };
}
