import { type Static, type TObject, Type } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';
import { KafkaSasl, KafkaTls } from '../kafka.ts';

/** A count where 0 selects the default, as in flowlogs-pipeline. */
function orDefault(maximum: number, description: string) {
  return Type.Integer({ minimum: 0, maximum, default: 0, description });
}

const Decoder = strictObject(
  {
    type: word(['json', 'protobuf'], {
      default: 'json',
      description: 'json: a JSON object with the fields of one flow; protobuf: a pbflow.Record.',
    }),
  },
  { default: {}, description: 'The form of a message, which has one flow.' },
);

/** The options of all stages that read a topic. */
const reading = {
  brokers: Type.Array(
    Type.String({ minLength: 1, description: 'Address of a broker, `kafka:9092`.' }),
    { minItems: 1, description: 'Brokers to begin with; they name the others.' },
  ),
  topic: Type.String({ minLength: 1, description: 'Topic to read.' }),
  groupid: optionalText(
    'Consumer group. Its members share the partitions of the topic. Empty: the name of the ' +
      'host, which is HOSTNAME in a container, so that each host reads everything.',
  ),
  groupBalancers: Type.Array(
    word(['range', 'roundRobin', 'rackAffinity'], {
      description:
        'range: neighbouring partitions to one member; roundRobin: one after the other. ' +
        'rackAffinity is refused, since there is no option for the rack.',
    }),
    {
      default: [],
      description:
        'How the partitions are divided, the best way first: the group takes one that all ' +
        'members know. Empty: range, roundRobin.',
    },
  ),
  startOffset: word(['FirstOffset', 'LastOffset'], {
    default: 'FirstOffset',
    description:
      'Where to begin if the group has committed no offset: with the oldest message, or with ' +
      'those that come from now on.',
  }),
  batchMaxLen: orDefault(4096, 'Messages that are passed on, and acknowledged, together. 0: 500.'),
  batchReadTimeout: orDefault(
    3_600_000,
    'Milliseconds that a broker waits for messages before it answers. More than 1000 have no ' +
      'effect, since the group must hear from its members. 0: 1000.',
  ),
  pullQueueCapacity: orDefault(
    10_000,
    'Batches of `batchMaxLen` messages that may be on their way to the sinks; reading waits ' +
      'when there are so many. 0: 100.',
  ),
  pullMaxBytes: orDefault(
    256 * 1024 * 1024,
    'Bytes of one partition in an answer of a broker; a larger message comes alone. ' +
      '0: 1000000.',
  ),
  commitInterval: orDefault(
    3_600_000,
    'Milliseconds between commits of offsets. Only offsets are committed whose flows have ' +
      'been written or counted as lost. 0: 500.',
  ),
  tls: KafkaTls,
  sasl: KafkaSasl,
};

/** Datagrams of routers or switches from a topic. */
export const DatagramTopic = Type.Optional(
  strictObject(reading, {
    description:
      'Takes the datagrams from a topic of Kafka, where `ingest: datagrams` has put them, and not ' +
      'from UDP: the options of ports, addresses and sockets have no effect then. Each datagram is ' +
      'read at least once, as a member of a consumer group; its time of receipt is that of the ' +
      'inlet. The datagrams of an exporter come to one member, in their order. A member that takes ' +
      'over an exporter does not know its templates until they are sent again. ' +
      '`flowsPerSecondMax` limits the flows that are read in a second.',
  }),
);

/** Options of reading a topic, apart from the form of messages. */
export type KafkaReading = Static<TObject<typeof reading>>;

export const KafkaOptions = strictObject(
  { decoder: Decoder, ...reading },
  {
    description:
      'Reads flows from a topic of Kafka, as a member of a consumer group; each at least once.',
    examples: [
      {
        brokers: ['kafka:9092'],
        topic: 'flows',
        groupid: 'netobserv',
        decoder: { type: 'protobuf' },
      },
    ],
  },
);

export type KafkaOptions = Static<typeof KafkaOptions>;
