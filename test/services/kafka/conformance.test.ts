import { afterAll, beforeAll } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { RecordEncoder } from '../../../src/codec/pbflow/encoder.ts';
import { kafkaEncoder } from '../../../src/deliver/encoders/kafka.ts';
import { Outlet } from '../../../src/deliver/outlet.ts';
import { KafkaTarget } from '../../../src/deliver/targets/kafka.ts';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import {
  delivery,
  describeConformance,
  selected,
  type Way,
} from '../../support/deliver/conformance.ts';
import { FaultyProxy } from '../../support/net/faulty-proxy.ts';
import { freePort } from '../../support/processes/program.ts';
import { Broker, consumeAll, createTopic } from './broker.ts';

/** The guarantees of every output, with a real broker behind a proxy that fails. */

let broker: Broker;
let proxy: FaultyProxy;
let topics = 0;

beforeAll(async () => {
  const port = await freePort();
  proxy = new FaultyProxy(port);
  await proxy.start();
  broker = await Broker.start(undefined, { port, proxyPort: proxy.port });
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

async function kafkaWay(): Promise<Way> {
  await proxy.become('healthy');
  const topic = `flows-${++topics}`;
  await createTopic(broker, topic);
  const limits = { messagesMax: 1000, bytesMax: 2 ** 20 };
  const target = new KafkaTarget(
    {
      ...{ clientId: 'test', brokers: [`127.0.0.1:${proxy.port}`], topic, limits },
      ...{ acks: -1, compression: 'none', isAsync: false, credentials: async () => ({}) },
    },
    { clock: systemClock, report: { renewed: () => undefined, refused: () => undefined } },
  );
  const encoder = kafkaEncoder(new RecordEncoder('bare'), () => target.partitions, limits);
  const outlet = new Outlet(encoder, delivery(target), selected);
  const marks = async () => {
    await proxy.become('healthy');
    const records = await consumeAll(broker, topic);
    return records.map(({ value }) =>
      Number((PbRecord.decode(value) as unknown as { bytes: number }).bytes),
    );
  };
  return {
    receiver: { port: proxy.port, marks },
    outlet,
    become: (fault) => proxy.become(fault),
  };
}

describeConformance('kafka', { make: kafkaWay, hasAnswers: true });
