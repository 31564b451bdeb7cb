import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { kafkaWriting } from '../encode/kafka.ts';
import { optionalText } from '../field.ts';
import { datagramOptions } from './sockets.ts';

export const DatagramsOptions = strictObject(
  {
    hostName: optionalText(
      'Address to receive on. `::` takes IPv4 and IPv6. Empty: all addresses of IPv4.',
      '0.0.0.0',
    ),
    ports: Type.Array(Type.Integer({ minimum: 1, maximum: 65_535, description: 'UDP port.' }), {
      minItems: 1,

      description: 'UDP ports.',
    }),
    ...datagramOptions,
    kafka: strictObject(kafkaWriting('Topic that the datagrams are written to.'), {
      description:
        'Where the datagrams go. A topic has those of one protocol: NetFlow and IPFIX, or sFlow.',
    }),
  },
  {
    description:
      'Takes datagrams from routers and switches by UDP, and puts them undecoded into a topic of ' +
      'Kafka, each with the address and port of its exporter, the time of its receipt and the ' +
      'port that it came to (deploy/reference/datagrams.md has the format). `ingest: ipfix` and ' +
      '`sflow` of other processors, with the option `kafka`, make flows of them. No stage follows ' +
      'this one. The key of a message is the address of the exporter, so that its datagrams stay ' +
      'in order, in one partition. Up to 64 MiB wait while brokers are away; further datagrams ' +
      'are lost, and counted in `ingest_lost_datagrams_total`. flowlogs-pipeline has no such stage.',
    examples: [{ ports: [2055], kafka: { address: 'kafka:9092', topic: 'netflow' } }],
  },
);

export type DatagramsOptions = Static<typeof DatagramsOptions>;
