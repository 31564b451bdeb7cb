import { expect, test } from 'vitest';
import { seedName } from '../../../../src/net/kafka/sockets.ts';

test.each([
  ['kafka:9092', 'kafka', 9092],
  ['10.0.0.1:9094', '10.0.0.1', 9094],
  ['[fd00::1]:9092', 'fd00::1', 9092],
])(
  'kafkajs, which takes all up to the first colon for the host, finds %s',
  (broker, host, port) => {
    const [first, second] = seedName(broker).split(':');
    expect(decodeURIComponent(first!)).toBe(host);
    expect(Number(second)).toBe(port);
  },
);
