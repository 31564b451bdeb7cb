import { ServerCredentials } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import type { RenewalReport, RenewedFiles } from '../../telemetry/renewed-files.ts';
import {
  pathsOf,
  SERVER_TLS_VERSION,
  type ServerPems,
  type ServerTlsFiles,
  serverPems,
} from '../server-tls.ts';
import { GRPC_ERRORS } from './errors.ts';

/** Parts of grpc-js that its types hide: it has no public way to renew a certificate. */
interface Hidden {
  updateSecureContextOptions(options: Buffers): void;
  _getConstructorOptions(): object;
}

interface Buffers {
  readonly cert: readonly Buffer[];
  readonly key: readonly Buffer[];
  readonly ca?: Buffer;
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
  try {
    return renewed(serverPems(files, report));
  } catch (cause) {
    throw new NetobservError(
      GRPC_ERRORS.tls,
      `no usable certificates and keys in ${pathsOf(files).join(', ')}`,
      { cause, details: { ...files } },
    );
  }
}

function renewed(files: RenewedFiles<ServerPems>): RenewedCredentials {
  let used = files.current();
  const { cert, key, ca = null } = buffers(used);
  const pairs = [{ cert_chain: cert[0]!, private_key: key[0]! }];
  const credentials = ServerCredentials.createSsl(ca, pairs, ca !== null);
  const hidden = credentials as unknown as Hidden;
  Object.assign(hidden._getConstructorOptions(), { minVersion: SERVER_TLS_VERSION });
  return {
    credentials,
    look() {
      const newest = files.current();
      if (newest !== used) hidden.updateSecureContextOptions(buffers(newest));
      used = newest;
    },
  };
}

function buffers({ cert, key, ca }: ServerPems): Buffers {
  return {
    cert: [Buffer.from(cert)],
    key: [Buffer.from(key)],
    ...(ca === undefined ? {} : { ca: Buffer.from(ca) }),
  };
}
