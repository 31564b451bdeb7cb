import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';
import { exporterOptions } from './exporters.ts';
import { DatagramTopic } from './kafka.ts';
import { datagramOptions } from './sockets.ts';

const MappedElement = strictObject(
  {
    penprovided: Type.Boolean({
      default: false,
      description: 'The element belongs to an enterprise, which `pen` names.',
    }),
    field: Type.Integer({
      minimum: 0,
      maximum: 65_535,
      description: 'Number of the element, or field type of NetFlow 9.',
    }),
    pen: Type.Integer({
      minimum: 0,
      maximum: 4_294_967_295,
      default: 0,
      description: 'Private enterprise number, with `penprovided`.',
    }),
    destination: fieldName(
      'Field that gets the value, in addition to the fields that the element fills anyway. A field ' +
        'of the reference, such as CustomInteger_1 or CustomBytes_1, gives its kind; any other ' +
        'name is a new key, of the kind `type`. Lists cannot be filled.',
    ),
    endianness: word(['big', 'little'], {
      default: 'big',
      description: 'Order of the octets of a number.',
    }),
    type: word(['number', 'text', 'bytes', 'address', 'mac'], {
      default: 'number',
      description:
        'Kind of a new key: a number of up to 8 octets, a text of up to 256 octets in UTF-8, up to ' +
        '256 bytes in base64, an IP address, or a MAC. No effect on fields of the reference.',
    }),
  },
  { description: 'An element and where its value goes.' },
);

/** The options of the stages that take flows from routers. */
export function ipfixOptions(description: string) {
  return strictObject(
    {
      hostName: optionalText(
        'Address to receive on. `::` takes IPv4 and IPv6. Empty: all addresses of IPv4.',
        '0.0.0.0',
      ),
      port: Type.Integer({
        minimum: 0,
        maximum: 65_535,
        default: 0,
        description:
          'UDP port. 0: none; if `portLegacy` is 0 as well, 2055. Both ports take NetFlow 5, ' +
          'NetFlow 9 and IPFIX; in flowlogs-pipeline this one refuses NetFlow 5.',
      }),
      portLegacy: Type.Integer({
        minimum: 0,
        maximum: 65_535,
        default: 0,
        description: 'A second UDP port, for NetFlow 5 in flowlogs-pipeline. 0: none.',
      }),
      workers: Type.Integer({
        minimum: 1,
        maximum: 1024,
        default: 1,
        description:
          'Accepted for configurations of flowlogs-pipeline. Has no effect: the thread of the ' +
          'pipeline decodes all datagrams.',
      }),
      ...datagramOptions,
      kafka: DatagramTopic,
      samplingCorrection: Type.Boolean({
        default: false,
        description:
          'Multiply Bytes and Packets by the sampling rate, if the exporter gives one. ' +
          'flowlogs-pipeline never does.',
      }),
      ...exporterOptions,
      templateFolder: optionalText(
        'Folder for a file with the templates and sampling rates of exporters, so that flows can be ' +
          'read at once after a restart of this program, and not only after the next templates. ' +
          'Stages of different names may share a folder. Empty: none.',
      ),
      mapping: Type.Array(MappedElement, {
        default: [],
        description: 'Further elements, such as those of vendors, and where their values go.',
      }),
    },
    {
      description,
      examples: [
        {
          port: 2055,
          mapping: [
            { field: 85, destination: 'Bytes' },
            { penprovided: true, pen: 9, field: 12_232, destination: 'Application', type: 'text' },
          ],
        },
      ],
    },
  );
}

export const IpfixOptions = ipfixOptions(
  'Takes flows from routers by UDP: NetFlow 5, NetFlow 9 and IPFIX. Keys are those of ' +
    'flowlogs-pipeline, with addresses as text; a key whose element is not sent is absent. A biflow ' +
    '(RFC 5103) becomes a flow for each direction. Times in microseconds and nanoseconds are NTP ' +
    'time stamps (RFC 7011), which flowlogs-pipeline misreads. Templates belong to the address of ' +
    'an exporter (NetFlow 9) or to its address and port (IPFIX), and are forgotten when they are ' +
    'not sent again for two hours. At most 4096 observation domains, 16,384 templates and 262,144 ' +
    'fields in them are kept; further ones are refused until others are forgotten. Datagrams that ' +
    'arrive while a branch that blocks is full are lost, and counted.',
);

export type IpfixOptions = Static<typeof IpfixOptions>;
