import { type Static, Type } from 'typebox';
import { duration, strictObject, word } from '../../../config/schema.ts';

export const IpfixWriteOptions = strictObject(
  {
    targetHost: Type.String({ minLength: 1, description: 'Name or address of the collector.' }),
    targetPort: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      description: 'Port of the collector, usually 4739.',
    }),
    transport: word(['tcp', 'udp'], {
      default: 'tcp',
      description: 'Transport of the messages. With udp, lost datagrams are not noticed.',
    }),
    enterpriseId: Type.Integer({
      minimum: 0,
      maximum: 4_294_967_295,
      default: 0,
      description:
        'Private enterprise number of the elements that IANA lacks: namespaces, names and nodes ' +
        'of pods, the round-trip time, all interfaces. 0: they are not sent.',
    }),
    tplSendInterval: duration({
      default: '1m',
      description:
        'Time after which templates are sent again by udp. They are also sent again after 64 ' +
        'messages.',
    }),
  },
  {
    description:
      'Sends flows to an IPFIX collector (RFC 7011). Fields that a flow lacks are zero or empty.',
    examples: [{ targetHost: 'collector', targetPort: 4739, transport: 'udp' }],
  },
);

export type IpfixWriteOptions = Static<typeof IpfixWriteOptions>;
