import metadata, {
  type Data,
  type Response,
} from 'kafkajs/src/protocol/requests/metadata/index.js';

/**
 * Responses whose partition errors are ignored; a set, since kafkajs has one response per version.
 */
const patched = new WeakSet<Response>();

/**
 * Keeps kafkajs 2.2.4 from rejecting all metadata of a topic when one of its partitions has an
 * error, such as having no leader: nothing could be sent to the others any more.
 *
 * Such a partition then has the leader -1, a broker that kafkajs does not find when it sends there.
 * Errors of the topic as a whole still count.
 */
export function partialMetadata(): void {
  for (const version of metadata.versions) {
    const { response } = metadata.protocol({ version })({ topics: [] });
    if (patched.has(response)) continue;
    patched.add(response);
    const { parse } = response;
    response.parse = (data) => parse(withoutPartitionErrors(data));
  }
}

function withoutPartitionErrors(data: Data): Data {
  const topicMetadata = data.topicMetadata.map((topic) => ({
    ...topic,
    partitionMetadata: topic.partitionMetadata.map((partition) => ({
      ...partition,
      partitionErrorCode: 0,
    })),
  }));
  return { ...data, topicMetadata };
}
