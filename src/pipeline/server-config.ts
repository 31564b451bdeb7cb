import type { HttpServerConfig } from '../telemetry/http.ts';

interface ServerOptions {
  readonly address: string;
  readonly port: number;
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
  readonly tokenPath: string;
}

/** The server of a stage or of a pipeline; empty paths of files mean that there are none. */
export function serverConfig({ address, port, tls, tokenPath }: ServerOptions): HttpServerConfig {
  return {
    ...{ address, port },
    ...(tls === undefined || tls.certPath === '' ? {} : { tls }),
    ...(tokenPath === '' ? {} : { tokenPath }),
  };
}
