import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KafkaConsumer, REVOKE_MAX_MS } from '../../../../src/net/kafka/consumer.ts';
import type { MemberEvents, Membership } from '../../../../src/net/kafka/membership.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

/** The consumer between a group of our own and a taker that settles on request. */

const COMMIT_MS = 500;

/** A group with one member, and what the member did. */
class Group {
  events: MemberEvents | undefined;
  readonly log: string[] = [];
  readonly resolved = new Map<number, number>();
  #failed = Promise.withResolvers<unknown>();
  /** Joining, committing and heartbeats succeed unless a test replaces them. */
  join: () => Promise<void> = async () => undefined;
  commit: () => Promise<void> = async () => undefined;
  heartbeat: () => Promise<void> = async () => undefined;

  readonly enter = async (events: MemberEvents): Promise<Membership> => {
    this.log.push('join');
    await this.join();
    this.#failed = Promise.withResolvers();
    this.events = events;
    return {
      failed: this.#failed.promise,
      commit: async (offsets) => {
        await this.commit();
        this.log.push(...Array.from(offsets, ([p, offset]) => `commit ${p}@${offset}`));
      },
      pause: () => void this.log.push('pause'),
      close: async () => void this.log.push('leave'),
    };
  };

  fail(why: string): void {
    this.#failed.resolve(new Error(why));
  }

  /** An answer with these messages; `end` may be behind the last of them. */
  fetched(partition: number, offsets: readonly number[], end = offsets.at(-1)! + 1): Promise<void> {
    return this.events!.fetched(
      {
        ...{ partition, highWatermark: 100, end },
        messages: offsets.map((offset) => ({ offset: `${offset}`, value: Buffer.from('x') })),
      },
      {
        heartbeat: async () => {
          this.log.push('heartbeat');
          await this.heartbeat();
        },
        resolve: (offset) => void this.resolved.set(partition, offset),
      },
    );
  }

  get commits(): readonly string[] {
    return this.log.filter((entry) => entry.startsWith('commit'));
  }
}

let clock: ManualClock;
let group: Group;
let consumer: KafkaConsumer;
/** Pieces that the taker got: their offsets, and how they are settled. */
let taken: { readonly offsets: readonly number[]; readonly settle: () => void }[];
let room: PromiseWithResolvers<void> | undefined;
let reports: string[];

beforeEach(async () => {
  clock = new ManualClock();
  group = new Group();
  taken = [];
  room = undefined;
  reports = [];
  consumer = new KafkaConsumer(
    { join: group.enter, commitIntervalMs: COMMIT_MS, pieceMessagesMax: 3, piecesMax: 4 },
    {
      clock,
      random: () => 1,
      report: {
        failed: (error) => void reports.push(`failed ${(error as Error).message}`),
        assigned: (partitions) => void reports.push(`assigned ${partitions.join()}`),
        lag: (partition, messages) => void reports.push(`lag ${partition}: ${messages}`),
        commitFailed: (error) => void reports.push(`uncommitted ${(error as Error).message}`),
      },
    },
  );
  consumer.start({
    take: (messages, onSettled) => {
      taken.push({ offsets: messages.map(({ offset }) => Number(offset)), settle: onSettled });
    },
    whenReady: () => room?.promise,
  });
  await settle();
});

afterEach(async () => {
  const closed = consumer.close();
  await clock.advance(60_000);
  await closed;
});

async function assign(...partitions: number[]): Promise<void> {
  group.events!.assigned(partitions);
  await settle();
}

describe('acknowledging', () => {
  test('messages go on in pieces; the last one covers records that are no messages', async () => {
    await assign(0);
    await group.fetched(0, [0, 1, 2, 5, 6], 9);
    expect(taken.map(({ offsets }) => offsets)).toEqual([
      [0, 1, 2],
      [5, 6],
    ]);
    expect(group.resolved.get(0)).toBe(9);
    expect(reports).toContain('lag 0: 91');
    for (const piece of taken) piece.settle();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 0@9']);
  });

  test('an offset waits for the pieces before it, and other partitions do not', async () => {
    await assign(0, 1);
    await group.fetched(0, [0, 1, 2, 3, 4, 5]);
    await group.fetched(1, [40, 41]);
    const [first, second, other] = taken;
    second!.settle();
    other!.settle();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 1@42']);
    first!.settle();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 1@42', 'commit 0@6']);
    await clock.advance(10 * COMMIT_MS);
    expect(group.commits).toHaveLength(2);
  });

  test('a commit that fails is reported, and repeated', async () => {
    await assign(0);
    await group.fetched(0, [7]);
    taken[0]!.settle();
    group.commit = () => Promise.reject(new Error('no coordinator'));
    await clock.advance(COMMIT_MS);
    expect(reports).toContain('uncommitted no coordinator');
    group.commit = async () => undefined;
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 0@8']);
  });

  test('one commit at a time', async () => {
    await assign(0);
    const slow = Promise.withResolvers<void>();
    group.commit = () => slow.promise;
    await group.fetched(0, [0]);
    taken[0]!.settle();
    await clock.advance(COMMIT_MS);
    await group.fetched(0, [1]);
    taken[1]!.settle();
    await clock.advance(5 * COMMIT_MS);
    slow.resolve();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 0@1', 'commit 0@2']);
  });
});

describe('waiting for room', () => {
  test('while branches are full, nothing is passed on, and the group hears from us', async () => {
    await assign(0);
    room = Promise.withResolvers();
    const reading = group.fetched(0, [0, 1]);
    await clock.advance(5000);
    expect(taken).toEqual([]);
    expect(group.log.filter((entry) => entry === 'heartbeat').length).toBeGreaterThan(3);
    const { resolve } = room;
    room = undefined;
    resolve();
    await reading;
    expect(taken).toHaveLength(1);
  });

  test('no more pieces are on their way than allowed', async () => {
    await assign(0);
    const reading = group.fetched(
      0,
      Array.from({ length: 15 }, (_, offset) => offset),
    );
    await clock.advance(3000);
    expect(taken).toHaveLength(4);
    expect(group.resolved.get(0)).toBe(12);
    taken[2]!.settle();
    await reading;
    expect(taken).toHaveLength(5);
  });

  test('a group that is divided meanwhile gets the rest again', async () => {
    await assign(0);
    room = Promise.withResolvers();
    group.heartbeat = () => Promise.reject(new Error('rebalance'));
    const reading = group.fetched(0, [0, 1]);
    reading.catch(() => undefined);
    await clock.advance(2000);
    await expect(reading).rejects.toThrow('rebalance');
    expect(group.resolved.size).toBe(0);
  });
});

describe('giving partitions up', () => {
  test('flows on their way are waited for and their offsets committed first', async () => {
    await assign(0);
    await group.fetched(0, [0, 1, 2, 3]);
    taken[1]!.settle();
    let isGivenUp = false;
    const revoked = group.events!.revoked().then(() => {
      isGivenUp = true;
    });
    await clock.advance(REVOKE_MAX_MS / 2);
    expect([isGivenUp, group.commits]).toEqual([false, []]);
    taken[0]!.settle();
    await revoked;
    expect(group.commits).toEqual(['commit 0@4']);
  });

  test('nothing more is passed on meanwhile', async () => {
    await assign(0);
    room = Promise.withResolvers();
    const reading = group.fetched(0, [0, 1]);
    const revoked = group.events!.revoked();
    await settle();
    room.resolve();
    await Promise.all([reading, revoked]);
    expect([taken, group.resolved.size]).toEqual([[], 0]);
    await group.fetched(0, [0, 1]);
    expect([taken, group.resolved.size]).toEqual([[], 0]);
  });

  test('flows that take too long are not waited for; then their offsets are not ours', async () => {
    await assign(0);
    await group.fetched(0, [0, 1, 2, 3]);
    const revoked = group.events!.revoked();
    taken[0]!.settle();
    await clock.advance(REVOKE_MAX_MS);
    await revoked;
    expect(group.commits).toEqual(['commit 0@3']);
    await assign(0);
    await group.fetched(0, [3]);
    taken[1]!.settle();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 0@3']);
    taken[2]!.settle();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual(['commit 0@3', 'commit 0@4']);
  });

  test('a commit on its way comes first', async () => {
    await assign(0);
    await group.fetched(0, [0]);
    taken[0]!.settle();
    const slow = Promise.withResolvers<void>();
    group.commit = () => slow.promise;
    await clock.advance(COMMIT_MS);
    await group.fetched(0, [1]);
    taken[1]!.settle();
    const revoked = group.events!.revoked();
    await clock.advance(100);
    slow.resolve();
    await revoked;
    expect(group.commits).toEqual(['commit 0@1', 'commit 0@2']);
  });
});

describe('failures', () => {
  test('memberships follow each other for ever, with growing waits', async () => {
    group.join = () => Promise.reject(new Error('no broker'));
    group.fail('connection lost');
    await clock.advance(0);
    expect(reports).toEqual(['failed connection lost']);
    await clock.advance(10 * 60_000);
    const tries = group.log.filter((entry) => entry === 'join').length;
    expect(tries).toBeGreaterThan(20);
    expect(tries).toBeLessThan(40);
    group.join = async () => undefined;
    await clock.advance(30_000);
    await assign(2);
    expect(reports.at(-1)).toBe('assigned 2');
  });

  test('flows of the lost membership do not acknowledge those of the next', async () => {
    await assign(0);
    await group.fetched(0, [0, 1, 2, 3]);
    group.fail('connection lost');
    await clock.advance(1000);
    await assign(0);
    await group.fetched(0, [0]);
    taken[0]!.settle();
    taken[1]!.settle();
    await clock.advance(COMMIT_MS);
    expect(group.commits).toEqual([]);
  });
});

describe('the end', () => {
  test('what is settled after stop is committed before the member leaves', async () => {
    await assign(0);
    await group.fetched(0, [0, 1, 2, 3]);
    consumer.stop();
    await group.fetched(0, [4]);
    expect(taken).toHaveLength(2);
    taken[0]!.settle();
    await consumer.close();
    expect(group.log.filter((entry) => entry !== 'heartbeat')).toEqual([
      ...['join', 'pause', 'commit 0@3', 'leave'],
    ]);
  });

  test('brokers that do not answer do not keep it', async () => {
    await assign(0);
    await group.fetched(0, [0]);
    taken[0]!.settle();
    group.commit = () => new Promise(() => undefined);
    const closed = consumer.close();
    await clock.advance(5000);
    await closed;
    expect(group.log.at(-1)).toBe('leave');
  });
});
