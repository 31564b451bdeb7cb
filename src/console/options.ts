import { type ListenAddress, parseListen } from '../base/listen.ts';
import { list, type Option, path } from '../config/options.ts';

const DEFAULT_LISTEN: ListenAddress = { host: '127.0.0.1', port: 9001 };

const listen: Option<ListenAddress> = {
  env: 'NETOBSERV_LISTEN',
  type: 'string',
  describe: 'host and port of the console; any but a loopback address needs --token-file',
  fallback: `${DEFAULT_LISTEN.host}:${DEFAULT_LISTEN.port}`,
  parse: parseListen,
  wanted: 'HOST:PORT, such as 127.0.0.1:9001, [::1]:9001 or 0.0.0.0:9001',
};

/** Every option of the console. */
export const consoleOptions = {
  listen,
  tokenFile: path('NETOBSERV_TOKEN_FILE', 'file with the token for the console; "auto" makes one'),
  tlsCertFile: path('NETOBSERV_TLS_CERT_FILE', 'certificate of the console, in PEM'),
  tlsKeyFile: path('NETOBSERV_TLS_KEY_FILE', 'key of that certificate, in PEM'),
  allowedHosts: list(
    'NETOBSERV_ALLOWED_HOSTS',
    '',
    'further host names by which browsers reach the console',
  ),
} as const;
