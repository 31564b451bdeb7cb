import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';

export const GrpcWriteOptions = strictObject(
  {
    targetHost: Type.String({ minLength: 1, description: 'Name or address of the receiver.' }),
    targetPort: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: 'Port of the receiver; network-observability-cli listens on 9999.',
    }),
    tls: Type.Optional(
      strictObject(
        {
          caCertPath: Type.String({
            minLength: 1,
            description: 'File with the authorities of the receiver’s certificate, in PEM.',
          }),
          userCertPath: optionalText('File with the certificate of the client, in PEM.'),
          userKeyPath: optionalText('File with the key of the client’s certificate, in PEM.'),
        },
        { description: 'Connect by TLS. Absent: in plain text, as flowlogs-pipeline does.' },
      ),
    ),
  },
  {
    description:
      'Sends each flow by a call of genericmap.Collector/Send, for network-observability-cli.',
    examples: [{ targetHost: 'collector', targetPort: 9999 }],
  },
);

export type GrpcWriteOptions = Static<typeof GrpcWriteOptions>;
