import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../config/schema.ts';
import { clientTls } from './tls.ts';

/** Options of all stages that talk to Kafka. */

export const KafkaTls = clientTls('brokers');

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
