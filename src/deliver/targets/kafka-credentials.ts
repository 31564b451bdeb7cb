import { createSecureContext } from 'node:tls';
import { explain } from '../../base/errors.ts';
import type { KafkaCredentials } from '../../net/kafka/options.ts';
import type { RenewalReport } from '../../telemetry/renewed-files.ts';

type Load = () => Promise<KafkaCredentials>;

/**
 * Credentials that are loaded for each connection. When renewed ones are unusable, the old ones
 * stay: brokers may still accept them.
 */
export function keptCredentials(load: Load, report: RenewalReport): Load {
  let last: { readonly credentials: KafkaCredentials; readonly text: string } | undefined;
  let told: string | undefined;
  return async () => {
    try {
      const credentials = await load();
      assertUsable(credentials);
      const text = JSON.stringify(credentials);
      if (last !== undefined && text !== last.text) report.renewed();
      last = { credentials, text };
      told = undefined;
    } catch (error) {
      if (last === undefined) throw error;
      const why = explain(error);
      if (why !== told) report.refused(error);
      told = why;
    }
    return last.credentials;
  };
}

function assertUsable({ tls, sasl }: KafkaCredentials): void {
  if (sasl !== undefined && (sasl.username === '' || sasl.password === '')) {
    throw new Error('the file of the name or of the password to log in with is empty');
  }
  if (tls === undefined) return;
  const { ca, cert, key } = tls;
  // OpenSSL accepts a file without certificates, and then trusts nobody.
  if (ca !== undefined && !ca.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error('the file of the CA has no certificate in PEM');
  }
  createSecureContext({
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}
