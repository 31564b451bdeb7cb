import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../config/schema.ts';
import { optionalText } from './field.ts';

/** Options of all stages that talk to Kafka. */

export const KafkaTls = Type.Optional(
  strictObject(
    {
      insecureSkipVerify: Type.Boolean({
        default: false,
        description: 'Accept any certificate of the brokers.',
      }),
      caCertPath: optionalText(
        'File with the authorities of the brokers’ certificates, in PEM. Empty: those of Node.',
      ),
      userCertPath: optionalText('File with the certificate of the client, in PEM.'),
      userKeyPath: optionalText('File with the key of the client’s certificate, in PEM.'),
    },
    { description: 'Connect by TLS.' },
  ),
);

export const KafkaSasl = Type.Optional(
  strictObject(
    {
      type: word(['plain', 'scramSHA512'], { description: 'Mechanism of the login.' }),
      clientIDPath: Type.String({
        minLength: 1,
        description: 'File with the name to log in with.',
      }),
      clientSecretPath: Type.String({ minLength: 1, description: 'File with the password.' }),
    },
    { description: 'Log in by SASL.' },
  ),
);

/** Options that decide who logs in, and how. */
export interface KafkaLogin {
  readonly tls?: Static<typeof KafkaTls>;
  readonly sasl?: Static<typeof KafkaSasl>;
}
