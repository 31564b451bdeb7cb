import kafkajs from 'kafkajs';

const { AssignerProtocol } = kafkajs;

/**
 * How a group divides partitions among its members. The names are those of the protocol, so that
 * members with other libraries may be in the group: kafkajs's own assigner has a name of its own.
 */
export type Balancer = 'range' | 'roundRobin';

const VERSION = 0;

/** Member indexes of the partitions from 0, given their number and that of the members. */
type Deal = (partition: number, partitions: number, members: number) => number;

const BALANCERS: Readonly<Record<Balancer, { readonly name: string; readonly deal: Deal }>> = {
  range: { name: 'range', deal: rangeMember },
  roundRobin: {
    name: 'roundrobin',
    deal: (partition, _partitions, members) => partition % members,
  },
};

export function assignerOf(balancer: Balancer): kafkajs.PartitionAssigner {
  const { name, deal } = BALANCERS[balancer];
  return ({ cluster }) => ({
    name,
    version: VERSION,
    async assign({ members, topics }) {
      const assignment = new Map<string, Record<string, number[]>>();
      for (const topic of topics) {
        const takers = members.filter((member) => isSubscribed(member, topic));
        const ids = takers.map(({ memberId }) => memberId).sort();
        if (ids.length === 0) continue;
        const partitions = cluster
          .findTopicPartitionMetadata(topic)
          .map(({ partitionId }) => partitionId)
          .sort((a, b) => a - b);
        for (const [index, partition] of partitions.entries()) {
          const id = ids[deal(index, partitions.length, ids.length)]!;
          const own = assignment.get(id) ?? {};
          assignment.set(id, { ...own, [topic]: [...(own[topic] ?? []), partition] });
        }
      }
      return Array.from(assignment, ([memberId, topicPartitions]) => ({
        memberId,
        memberAssignment: AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment: topicPartitions,
          userData: Buffer.alloc(0),
        }),
      }));
    },
    protocol: (subscription) => ({
      name,
      metadata: AssignerProtocol.MemberMetadata.encode({
        version: VERSION,
        topics: subscription.topics,
        userData: Buffer.alloc(0),
      }),
    }),
  });
}

/** Neighbouring partitions go to one member; the first members have one more than the others. */
function rangeMember(partition: number, partitions: number, members: number): number {
  const share = Math.floor(partitions / members);
  const larger = partitions % members;
  const inLarger = larger * (share + 1);
  if (partition < inLarger) return Math.floor(partition / (share + 1));
  return larger + Math.floor((partition - inLarger) / share);
}

function isSubscribed({ memberMetadata }: kafkajs.GroupMember, topic: string): boolean {
  const decoded = AssignerProtocol.MemberMetadata.decode(memberMetadata);
  return decoded === null || decoded.topics.includes(topic);
}
