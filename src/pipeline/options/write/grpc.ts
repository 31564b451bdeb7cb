import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { clientTls } from '../tls.ts';

export const GrpcWriteOptions = strictObject(
  {
    targetHost: Type.String({ minLength: 1, description: 'Name or address of the receiver.' }),
    targetPort: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: 'Port of the receiver; network-observability-cli listens on 9999.',
    }),
    tls: clientTls('receiver'),
  },
  {
    description:
      'Sends each flow by a call of genericmap.Collector/Send, for network-observability-cli.',
    examples: [{ targetHost: 'collector', targetPort: 9999 }],
  },
);

export type GrpcWriteOptions = Static<typeof GrpcWriteOptions>;
