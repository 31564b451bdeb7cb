import kafkajs from 'kafkajs';
import { expect, test } from 'vitest';
import { assignerOf, type Balancer } from '../../../../src/net/kafka/assigners.ts';

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol;

function member(memberId: string, topics: readonly string[] = ['flows']): kafkajs.GroupMember {
  const userData = Buffer.alloc(0);
  return {
    memberId,
    memberMetadata: MemberMetadata.encode({ version: 0, topics: [...topics], userData }),
  };
}

async function divide(
  balancer: Balancer,
  partitions: number,
  members: kafkajs.GroupMember[],
): Promise<Readonly<Record<string, readonly number[]>>> {
  const metadata = Array.from({ length: partitions }, (_, partitionId) => ({ partitionId }));
  const cluster = { findTopicPartitionMetadata: () => metadata } as unknown as kafkajs.Cluster;
  const assigner = assignerOf(balancer)({
    ...{ cluster, groupId: 'g' },
  } as Parameters<kafkajs.PartitionAssigner>[0]);
  const assigned = await assigner.assign({ members, topics: ['flows'] });
  return Object.fromEntries(
    assigned.map(({ memberId, memberAssignment }) => [
      memberId,
      MemberAssignment.decode(memberAssignment)!.assignment.flows!,
    ]),
  );
}

// The examples are those of Kafka's own RangeAssignor and RoundRobinAssignor, by hand.
test.each([
  ['range', 7, { a: [0, 1, 2], b: [3, 4], c: [5, 6] }],
  ['range', 6, { a: [0, 1], b: [2, 3], c: [4, 5] }],
  ['range', 2, { a: [0], b: [1] }],
  ['roundRobin', 7, { a: [0, 3, 6], b: [1, 4], c: [2, 5] }],
  ['roundRobin', 2, { a: [0], b: [1] }],
] as const)('%s divides %i partitions among three members', async (balancer, count, expected) => {
  expect(await divide(balancer, count, [member('c'), member('a'), member('b')])).toEqual(expected);
});

test('more than ten partitions are in the order of their numbers', async () => {
  expect(await divide('range', 12, [member('a'), member('b')])).toEqual({
    a: [0, 1, 2, 3, 4, 5],
    b: [6, 7, 8, 9, 10, 11],
  });
});

test('a member of the group that reads another topic gets nothing', async () => {
  const members = [member('a'), member('b', ['logs'])];
  expect(await divide('roundRobin', 2, members)).toEqual({ a: [0, 1] });
});
