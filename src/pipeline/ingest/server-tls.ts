import type { ServerTlsFiles } from '../../net/server-tls.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { ServerKeys } from '../options/ingest/grpc.ts';

/** Files for the TLS of a server; undefined: without TLS. `path` is that of the options. */
export function serverTls(
  { certPath, keyPath, clientCAPath }: ServerKeys,
  path: string,
): ServerTlsFiles | undefined {
  if ((certPath === '') !== (keyPath === '') || (certPath === '' && clientCAPath !== '')) {
    const problem = 'certPath and keyPath go together, and clientCAPath needs both';
    throw configError(PIPELINE_ERRORS.option, path, problem);
  }
  if (certPath === '') return undefined;
  return { certPath, keyPath, ...(clientCAPath === '' ? {} : { clientCaPath: clientCAPath }) };
}
