import metadata from 'kafkajs/src/protocol/requests/metadata/index.js';
import { expect, test } from 'vitest';
import { partialMetadata } from '../../../../src/net/kafka/partial-metadata.ts';

const LEADER_NOT_AVAILABLE = 5;
const UNKNOWN_TOPIC = 3;

const partition = (partitionId: number, partitionErrorCode: number, leader: number) => ({
  partitionId,
  partitionErrorCode,
  leader,
});

const responses = () =>
  metadata.versions.map((version) => metadata.protocol({ version })({ topics: [] }).response);

test('what is known of a topic is read although a partition has no leader, in every version', async () => {
  partialMetadata();
  partialMetadata();
  const partitionMetadata = [partition(0, 0, 7), partition(1, LEADER_NOT_AVAILABLE, -1)];
  for (const { parse } of responses()) {
    const { topicMetadata } = await parse({
      topicMetadata: [{ topicErrorCode: 0, partitionMetadata }],
    });
    expect(topicMetadata[0]!.partitionMetadata.map(({ leader }) => leader)).toEqual([7, -1]);
  }
});

test('an error of the topic still counts', async () => {
  partialMetadata();
  for (const { parse } of responses()) {
    const topic = { topicErrorCode: UNKNOWN_TOPIC, partitionMetadata: [] };
    await expect(parse({ topicMetadata: [topic] })).rejects.toThrow('topic-partition');
  }
});
