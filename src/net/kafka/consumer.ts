import { setImmediate as nextTurn } from 'node:timers/promises';
import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Fetched, KafkaMessage, MemberEvents, Membership, Turn } from './membership.ts';
import { PartitionProgress, type Piece } from './progress.ts';

/** How long partitions that are given up wait for their flows; the group waits for a minute. */
export const REVOKE_MAX_MS = 10_000;
/** Time for the last commit, and for leaving the group. */
export const CLOSE_MAX_MS = 2000;
/** While there is no room, the group hears from the member this often. */
const WAIT_PERIOD_MS = 1000;
/** Waits between memberships. */
const REJOIN = { firstMs: 500, maxMs: 30_000 } as const;

/** Makes flows of messages. */
export interface MessageTaker {
  /** Passes on the flows; `onSettled` is called once, when all of them are settled. */
  take(messages: readonly KafkaMessage[], onSettled: () => void): void;
  /** Resolves when there is room for more flows. Undefined: there is room now. */
  whenReady(): Promise<void> | undefined;
}

export interface ConsumerReport {
  /** The membership has ended, and another one begins after a wait. */
  failed(error: unknown): void;
  assigned(partitions: readonly number[]): void;
  /** Messages of a partition that are not read yet, as far as the last answer knows. */
  lag(partition: number, messages: number): void;
  commitFailed(error: unknown): void;
}

export interface ConsumerOptions {
  readonly join: (events: MemberEvents, signal: AbortSignal) => Promise<Membership>;
  readonly commitIntervalMs: number;
  /** Messages that are passed on, and settled, together. */
  readonly pieceMessagesMax: number;
  /** Pieces that may be on their way. */
  readonly piecesMax: number;
}

export interface ConsumerDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly report: ConsumerReport;
}

/** The partitions of a member from one division of the group to the next. */
class Assignment {
  readonly end = new AbortController();
  readonly #progress = new Map<number, PartitionProgress>();
  #open = 0;
  #idle = Promise.withResolvers<void>();

  begin(partition: number, end: number): Piece {
    const progress = this.#progress.get(partition) ?? new PartitionProgress();
    this.#progress.set(partition, progress);
    this.#open++;
    return progress.begin(end);
  }

  settle(partition: number, piece: Piece): void {
    this.#progress.get(partition)!.settle(piece);
    if (--this.#open === 0) this.#idle.resolve();
  }

  /** Resolves when all pieces are settled, if no more begin. */
  async idle(): Promise<void> {
    if (this.#open === 0) return;
    this.#idle = Promise.withResolvers();
    await this.#idle.promise;
  }

  uncommitted(): ReadonlyMap<number, number> {
    const offsets = new Map<number, number>();
    for (const [partition, { uncommitted }] of this.#progress) {
      if (uncommitted !== undefined) offsets.set(partition, uncommitted);
    }
    return offsets;
  }

  committed(offsets: ReadonlyMap<number, number>): void {
    for (const [partition, offset] of offsets) this.#progress.get(partition)!.committed(offset);
  }
}

/**
 * Reads a topic as a member of a group, for ever: when a membership fails, it begins another one.
 *
 * Each message is passed on at least once. An offset is committed when the flows of all messages
 * before it are settled. Before partitions are given up, their flows are waited for, and their
 * offsets committed, so that the next owner does not read them again; flows that take longer than
 * `REVOKE_MAX_MS` may arrive twice, as may those on their way when the connection is lost.
 */
export class KafkaConsumer {
  readonly #options: ConsumerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #report: ConsumerReport;
  readonly #stopping = new AbortController();
  readonly #closing = new AbortController();
  #taker: MessageTaker | undefined;
  #member: Membership | undefined;
  /** Undefined while the group is being divided. */
  #assignment: Assignment | undefined;
  /** Pieces on their way, of former assignments, too. */
  #pieces = 0;
  #pieceSettled = Promise.withResolvers<void>();
  #committing: Promise<void> | undefined;
  #timer: Disposable | undefined;
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(options: ConsumerOptions, { clock, random, report }: ConsumerDeps) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#report = report;
  }

  /** Does not wait for the brokers. */
  start(taker: MessageTaker): void {
    this.#taker = taker;
    this.#timer = this.#clock.every(this.#options.commitIntervalMs, () => {
      if (this.#committing === undefined) void this.#commit(this.#assignment);
    });
    this.#running = this.#run();
  }

  /** Passes on no more messages. The member stays in the group, and commits what is settled. */
  stop(): void {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    this.#pause();
  }

  /** Commits what is settled, and leaves the group. */
  async close(): Promise<void> {
    this.stop();
    this.#timer?.[Symbol.dispose]();
    await this.#within(CLOSE_MAX_MS, this.#commitLast(this.#assignment));
    this.#assignment = undefined;
    const member = this.#member;
    if (member !== undefined) await this.#within(CLOSE_MAX_MS, member.close());
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const lifetime = new AbortController();
      const error = await this.#belong(AbortSignal.any([signal, lifetime.signal]));
      if (signal.aborted) return;
      this.#report.failed(error);
      this.#assignment?.end.abort();
      this.#assignment = undefined;
      const member = this.#member;
      this.#member = undefined;
      this.#committing = undefined;
      if (member !== undefined) await this.#within(CLOSE_MAX_MS, member.close());
      lifetime.abort();
      const waitMs = backoffMs(this.#failures++, REJOIN, this.#random);
      await this.#clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  /** Is a member until the membership fails; resolves to the reason. */
  async #belong(signal: AbortSignal): Promise<unknown> {
    const closed = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const events: MemberEvents = {
      assigned: (partitions) => this.#assigned(partitions),
      revoked: () => this.#revoked(),
      fetched: (fetched, turn) => this.#take(fetched, turn),
    };
    const joining = this.#options.join(events, signal);
    try {
      const member = await Promise.race([joining, closed]);
      if (member === undefined) {
        joining.then(({ close }) => close()).catch(() => undefined);
        return undefined;
      }
      this.#member = member;
      if (this.#stopping.signal.aborted) this.#pause();
      return await Promise.race([member.failed, closed]);
    } catch (error) {
      return error;
    }
  }

  #pause(): void {
    try {
      this.#member?.pause();
    } catch {
      // It has failed: there is nothing to pause.
    }
  }

  #assigned(partitions: readonly number[]): void {
    this.#failures = 0;
    this.#assignment = new Assignment();
    this.#report.assigned(partitions);
  }

  async #revoked(): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    this.#assignment = undefined;
    assignment.end.abort();
    await this.#within(REVOKE_MAX_MS, assignment.idle());
    await this.#within(CLOSE_MAX_MS, this.#commitLast(assignment));
  }

  async #take({ partition, highWatermark, end, messages }: Fetched, turn: Turn): Promise<void> {
    const assignment = this.#assignment;
    if (assignment === undefined) return;
    const most = this.#options.pieceMessagesMax;
    for (let from = 0; from < messages.length; from += most) {
      if (!(await this.#hasRoom(assignment, turn))) return;
      const piece = messages.slice(from, from + most);
      const isLast = from + most >= messages.length;
      const next = isLast ? end : Number(piece.at(-1)!.offset) + 1;
      this.#pass(assignment, partition, piece, next);
      turn.resolve(next);
      this.#report.lag(partition, highWatermark - next);
      // A large answer must not keep everything else waiting.
      await nextTurn();
    }
  }

  /** Waits for room; false: the messages must not be passed on any more. */
  async #hasRoom(assignment: Assignment, turn: Turn): Promise<boolean> {
    for (;;) {
      if (assignment !== this.#assignment || this.#stopping.signal.aborted) return false;
      const wait = this.#whenRoom();
      if (wait === undefined) return true;
      const over = new AbortController();
      const { signal } = this.#stopping;
      const until = AbortSignal.any([over.signal, signal, assignment.end.signal]);
      await Promise.race([wait, this.#clock.sleep(WAIT_PERIOD_MS, until).catch(() => undefined)]);
      over.abort();
      await turn.heartbeat();
    }
  }

  #whenRoom(): Promise<void> | undefined {
    const wait = this.#taker!.whenReady();
    if (wait !== undefined || this.#pieces < this.#options.piecesMax) return wait;
    this.#pieceSettled = Promise.withResolvers();
    return this.#pieceSettled.promise;
  }

  #pass(
    assignment: Assignment,
    partition: number,
    messages: readonly KafkaMessage[],
    end: number,
  ): void {
    const piece = assignment.begin(partition, end);
    this.#pieces++;
    this.#taker!.take(messages, () => {
      this.#pieces--;
      assignment.settle(partition, piece);
      this.#pieceSettled.resolve();
    });
  }

  /** After a commit that is on its way. */
  async #commitLast(assignment: Assignment | undefined): Promise<void> {
    await this.#committing;
    await this.#commit(assignment);
  }

  async #commit(assignment: Assignment | undefined): Promise<void> {
    const member = this.#member;
    const offsets = assignment?.uncommitted();
    if (assignment === undefined || member === undefined || !offsets?.size) return;
    const done = member.commit(offsets).then(
      () => assignment.committed(offsets),
      (error: unknown) => this.#report.commitFailed(error),
    );
    this.#committing = done;
    await done;
    if (this.#committing === done) this.#committing = undefined;
  }

  /** Waits for the end of the work, but not for longer. */
  async #within(ms: number, work: Promise<void>): Promise<void> {
    const done = new AbortController();
    const late = this.#clock.sleep(ms, done.signal).catch(() => undefined);
    await Promise.race([work, late]);
    done.abort();
  }
}
