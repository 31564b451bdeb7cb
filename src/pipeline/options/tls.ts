import { type Static, Type } from 'typebox';
import { strictObject } from '../../config/schema.ts';
import { optionalText } from './field.ts';

/** How a stage connects to its `servers` by TLS; absent: in plain text. */
export function clientTls(servers: string) {
  return Type.Optional(
    strictObject(
      {
        insecureSkipVerify: Type.Boolean({
          default: false,
          description: `Accept any certificate of the ${servers}.`,
        }),
        caCertPath: optionalText(
          `File with the authorities for certificates of the ${servers}, in PEM. Empty: those of Node.`,
        ),
        userCertPath: optionalText('File with the certificate of the client, in PEM.'),
        userKeyPath: optionalText('File with the key of the client’s certificate, in PEM.'),
      },
      { description: 'Connect by TLS.' },
    ),
  );
}

export type ClientTls = NonNullable<Static<ReturnType<typeof clientTls>>>;
