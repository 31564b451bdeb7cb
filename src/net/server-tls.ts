import { createSecureContext } from 'node:tls';
import { type RenewalReport, RenewedFiles } from '../telemetry/renewed-files.ts';

/** Paths of PEM files. */
export interface ServerTlsFiles {
  readonly certPath: string;
  readonly keyPath: string;
  /** Authorities of clients' certificates: clients must have one. */
  readonly clientCaPath?: string;
}

/** Contents of the files. */
export interface ServerPems {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/** flowlogs-pipeline accepts nothing older. */
export const SERVER_TLS_VERSION = 'TLSv1.3';

export function pathsOf({ certPath, keyPath, clientCaPath }: ServerTlsFiles): readonly string[] {
  return [certPath, keyPath, ...(clientCaPath === undefined ? [] : [clientCaPath])];
}

/** The files of a server that accepts connections by TLS. Throws if they cannot be used. */
export function serverPems(files: ServerTlsFiles, report: RenewalReport): RenewedFiles<ServerPems> {
  return new RenewedFiles(pathsOf(files), usable, report);
}

/** Throws if the certificate and the key do not match, for example while they are renewed. */
function usable([cert = '', key = '', ca]: readonly string[]): ServerPems {
  const pems = { cert, key, ...(ca === undefined ? {} : { ca }) };
  createSecureContext(pems);
  for (const text of [cert, ca ?? cert]) {
    // OpenSSL accepts a file without certificates.
    if (!text.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate in PEM');
  }
  return pems;
}
