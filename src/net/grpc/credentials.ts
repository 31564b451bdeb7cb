import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { ChannelCredentials } from '@grpc/grpc-js';
import { NetobservError } from '../../base/errors.ts';
import { readSmallFile } from '../../telemetry/small-file.ts';
import { GRPC_ERRORS } from './errors.ts';

/** Paths of PEM files. */
export interface TlsFiles {
  /** Authorities for the server's certificate. Default: those of Node. */
  readonly caPath?: string;
  /** The client's own certificate, for servers that request one. */
  readonly certPath?: string;
  readonly keyPath?: string;
  /** Accept any certificate of the server. */
  readonly insecureSkipVerify?: boolean;
}

/** Without files, the connection is in plain text. Files are read again for each connection. */
export function credentialsOf(files: TlsFiles | undefined, host: string): ChannelCredentials {
  if (files === undefined) return ChannelCredentials.createInsecure();
  const ca = files.caPath === undefined ? {} : { ca: authorities(files.caPath) };
  const cert = files.certPath === undefined ? {} : { cert: read(files.certPath) };
  const key = files.keyPath === undefined ? {} : { key: read(files.keyPath) };
  try {
    const context = createSecureContext({ ...ca, ...cert, ...key, minVersion: 'TLSv1.3' });
    const credentials = ChannelCredentials.createFromSecureContext(context, {
      rejectUnauthorized: files.insecureSkipVerify !== true,
    });
    return isIP(host) === 0 ? credentials : withoutServerName(credentials);
  } catch (cause) {
    const paths = Object.values(files).join(', ');
    throw new NetobservError(GRPC_ERRORS.tls, `no usable certificates and keys in ${paths}`, {
      cause,
      details: { ...files },
    });
  }
}

interface Connecting {
  _createSecureConnector(...args: readonly unknown[]): {
    readonly connectionOptions: { servername?: string };
  };
}

/**
 * An address must not be sent as the server's name (RFC 6066, section 3), but grpc-js sends it and
 * Node warns. The certificate is still checked for the address.
 */
function withoutServerName(credentials: ChannelCredentials): ChannelCredentials {
  const inner = credentials as unknown as Connecting;
  const create = inner._createSecureConnector.bind(credentials);
  inner._createSecureConnector = (...args) => {
    const connector = create(...args);
    delete connector.connectionOptions.servername;
    return connector;
  };
  return credentials;
}

/** OpenSSL accepts a file without certificates, and then trusts nobody. */
function authorities(path: string): Buffer {
  const pem = read(path);
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return pem;
  throw new NetobservError(GRPC_ERRORS.tls, `${path} has no certificate in PEM`, {
    details: { path },
  });
}

function read(path: string): Buffer {
  try {
    return readSmallFile(path);
  } catch (cause) {
    throw new NetobservError(GRPC_ERRORS.tls, `cannot read ${path}`, { cause, details: { path } });
  }
}
