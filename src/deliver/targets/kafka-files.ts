import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import type { KafkaCredentials, KafkaSasl, KafkaTls } from '../../net/kafka/options.ts';
import { readSmallFile } from '../../telemetry/small-file.ts';

/** Paths of PEM files; empty: none. */
export interface KafkaTlsFiles {
  readonly insecureSkipVerify: boolean;
  readonly caCertPath: string;
  readonly userCertPath: string;
  readonly userKeyPath: string;
}

export interface KafkaSaslFiles {
  readonly type: keyof typeof MECHANISMS;
  /** Paths of files with the name and the password. */
  readonly clientIdPath: string;
  readonly clientSecretPath: string;
}

const MECHANISMS = { plain: 'plain', scramSHA512: 'scram-sha-512' } as const;

/** Reads the files, again each time: they are renewed while the program runs. */
export async function readCredentials(
  tls: KafkaTlsFiles | undefined,
  sasl: KafkaSaslFiles | undefined,
): Promise<KafkaCredentials> {
  return {
    ...(tls === undefined ? {} : { tls: tlsOf(tls) }),
    ...(sasl === undefined ? {} : { sasl: saslOf(sasl) }),
  };
}

function tlsOf({ insecureSkipVerify, ...files }: KafkaTlsFiles): KafkaTls {
  const ca = pem(files.caCertPath);
  const cert = pem(files.userCertPath);
  const key = pem(files.userKeyPath);
  return {
    insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function saslOf({ type, clientIdPath, clientSecretPath }: KafkaSaslFiles): KafkaSasl {
  const username = contents(clientIdPath).trim();
  const password = contents(clientSecretPath).trim();
  return { mechanism: MECHANISMS[type], username, password };
}

function pem(path: string): string | undefined {
  return path === '' ? undefined : contents(path);
}

/**
 * `network-observability-operator` mounts secrets at `/` and names them without it, since its
 * images start there. Other images start elsewhere.
 */
function contents(path: string): string {
  return readSmallFile(existsSync(path) ? path : resolve('/', path)).toString('utf8');
}

/** Default port of Kafka, as in the clients of the NetObserv family. */
export const KAFKA_PORT = 9092;
const PORT_MAX = 65_535;

/** `HOST:PORT` of a broker, or what is wrong with the text; the port may be omitted. */
export function brokerOf(text: string): { readonly broker: string } | { readonly problem: string } {
  if (isIPv6(text)) return { broker: `[${text}]:${KAFKA_PORT}` };
  const [, host, digits] = /^(\[[^[\]]+\]|[^:[\]\s]+)(?::(\d*))?$/.exec(text) ?? [];
  const isHost = host !== undefined && (host[0] !== '[' || isIPv6(host.slice(1, -1)));
  if (!isHost) {
    return { problem: `"${text}" is not a broker, such as kafka or kafka:${KAFKA_PORT}` };
  }
  const port = digits === undefined || digits === '' ? KAFKA_PORT : Number(digits);
  if (port >= 1 && port <= PORT_MAX) return { broker: `${host}:${port}` };
  return { problem: `"${text}" has a port that is not from 1 to ${PORT_MAX}` };
}
