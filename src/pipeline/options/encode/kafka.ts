import { type Static, type TObject, Type } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';
import { KafkaSasl, KafkaTls } from '../kafka.ts';

const seconds = Type.Optional(
  Type.Number({
    minimum: 0,
    description: 'Accepted for configurations of flowlogs-pipeline. Requests have 10 seconds.',
  }),
);

/** The options of all stages that write a topic. */
export function kafkaWriting(topic: string) {
  return {
    address: Type.String({
      minLength: 1,
      description: 'Address of a broker, `kafka:9092`, or of several with commas.',
    }),
    topic: Type.String({ minLength: 1, description: topic }),
    acks: word(['all', 'leader', 'none'], {
      default: 'all',
      description: 'Brokers that acknowledge a request; with all, each message is stored once.',
    }),
    batchBytes: Type.Integer({
      minimum: 0,
      maximum: 64 * 1024 * 1024,
      default: 0,
      description: 'Bytes in one request. 0: 1 MiB.',
    }),
    batchSize: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 0,
      description: 'Messages in one request. 0: 1000.',
    }),
    compression: word(['none', 'gzip', 'snappy', 'lz4', 'zstd'], {
      default: 'none',
      description: 'Compression of requests.',
    }),
    tls: KafkaTls,
    sasl: KafkaSasl,
  };
}

/** Options of writing to a topic, apart from the form of messages. */
export type KafkaWriting = Static<TObject<ReturnType<typeof kafkaWriting>>>;

export const KafkaOptions = strictObject(
  {
    ...kafkaWriting('Topic that the flows are written to.'),
    format: word(['json', 'protobuf'], {
      default: 'json',
      description: 'Form of a message, which has one flow: a JSON object, or a pbflow.Record.',
    }),
    balancer: Type.Optional(
      word(['roundRobin', 'leastBytes', 'hash', 'crc32', 'murmur2'], {
        description:
          'Accepted for configurations of flowlogs-pipeline. Both directions of a conversation ' +
          'go to one partition.',
      }),
    ),
    writeTimeout: seconds,
    readTimeout: seconds,
  },
  {
    description: 'Writes flows to a topic of Kafka.',
    examples: [{ address: 'kafka:9092', topic: 'flows', compression: 'lz4' }],
  },
);

export type KafkaOptions = Static<typeof KafkaOptions>;
