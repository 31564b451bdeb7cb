import type { Server } from 'node:net';
import { createSecureContext } from 'node:tls';
import { NetobservError } from '../base/errors.ts';
import { TELEMETRY_ERRORS } from './errors.ts';
import { type RenewalReport, RenewedFiles } from './renewed-files.ts';

/** Paths of PEM files. */
export interface TlsFilePaths {
  readonly certPath: string;
  readonly keyPath: string;
}

/** TLS options of Node's server. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2';
}

/** The part of tls.Server that is needed. */
type TlsServer = Server & { setSecureContext(options: ServerTls): void };

/** A certificate and its key, which are renewed while the server runs. */
export class RenewedCertificate {
  readonly #files: RenewedFiles<ServerTls>;

  constructor({ certPath, keyPath }: TlsFilePaths, report: RenewalReport) {
    try {
      this.#files = new RenewedFiles([certPath, keyPath], usable, report);
    } catch (cause) {
      throw new NetobservError(
        TELEMETRY_ERRORS.tls,
        `no usable certificate and key in ${certPath} and ${keyPath}`,
        { cause, details: { certPath, keyPath } },
      );
    }
  }

  current(): ServerTls {
    return this.#files.current();
  }

  /** Every later handshake uses the newest certificate. */
  renew(server: TlsServer): void {
    let used = this.current();
    // Before the server's own listener, which begins the handshake.
    server.prependListener('connection', () => {
      const newest = this.current();
      if (newest === used) return;
      used = newest;
      server.setSecureContext(newest);
    });
  }
}

/** Throws if the two do not match, for example when only one has been renewed. */
function usable([cert = '', key = '']: readonly string[]): ServerTls {
  const tls = { cert, key, minVersion: 'TLSv1.2' } as const;
  createSecureContext(tls);
  if (!cert.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no certificate in PEM');
  return tls;
}
