import { describe, expect, test } from 'vitest';
import { sourcePipeline } from '../../../support/models/interpreter/source-pipeline.ts';

const GIVEN = { brokers: ['kafka'], topic: 'flows' };

function pipelineOf(options: Readonly<Record<string, unknown>>) {
  return sourcePipeline({ type: 'kafka', kafka: { ...GIVEN, ...options } });
}

describe('mistakes are refused with their place', () => {
  test.each([
    [{ brokers: [] }, /kafka\.brokers/],
    [
      { brokers: ['kafka:9092', 'kafka:port'] },
      /kafka\.brokers\[1\]: "kafka:port" is not a broker/,
    ],
    [
      { groupBalancers: ['range', 'rackAffinity'] },
      /groupBalancers\[1\]: rackAffinity needs a rack/,
    ],
    [{ groupBalancers: ['sticky'] }, /groupBalancers\[0\]/],
    [{ startOffset: 'Middle' }, /startOffset/],
    [{ decoder: { type: 'xml' } }, /decoder\.type/],
    [{ batchMaxLen: 5000 }, /batchMaxLen/],
    [{ tls: { userKeyPath: 'x' } }, /kafka\.tls: userCertPath and userKeyPath go together/],
    [{ sasl: { type: 'gssapi' } }, /sasl\.type/],
  ])('%j', (options, message) => {
    expect(() => pipelineOf(options)).toThrow(message);
  });
});

test('0 stands for the default, as in flowlogs-pipeline', () => {
  const options = { batchReadTimeout: 0, pullQueueCapacity: 0, pullMaxBytes: 0, commitInterval: 0 };
  expect(() => pipelineOf({ ...options, batchMaxLen: 0, groupBalancers: [] })).not.toThrow();
});

test('until it is a member of the group, the pipeline says why it reads nothing', () => {
  expect(pipelineOf({}).pipeline.troubles()).toEqual(['in: not a member of the group yet']);
});

test('the brokers need not be there at the start, nor at the end', async () => {
  const { pipeline } = pipelineOf({ brokers: ['127.0.0.1:1'] });
  await pipeline.start(new AbortController().signal);
  await expect
    .poll(() => pipeline.troubles()[0])
    .toMatch(/^in: cannot read from Kafka: .*ECONNREFUSED/);
  await pipeline.stop();
});
