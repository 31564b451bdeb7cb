import { assert, assertExists } from '../../base/assert.ts';
import type { AgentConfig } from '../config.ts';
import type { FlowAmount } from './exporter.ts';

/** What is sent, or given up, as a whole. Exporters add what their transport needs. */
export interface SpoolMessage {
  readonly bytes: Uint8Array;
  /** Of the flows in it. */
  readonly amount: FlowAmount;
  /**
   * Messages of one lane may wait for each other, those of two never do. A number from 0 that an
   * exporter has a limited set of; 0 where there is one lane only.
   */
  readonly lane?: number;
}

export interface SpoolLimits {
  /** In each lane. */
  readonly batchesMax: number;
  /** In all of them. */
  readonly bytesMax: number;
}

/** Encoded bytes that may wait, whatever the number of batches. */
export const SPOOL_BYTES_MAX = 64 * 2 ** 20;

/** Batches that may wait; a batch of ours is about what the original holds between two drains. */
export function batchesOf(
  config: Pick<AgentConfig, 'buffersLength' | 'exporterBufferLength'>,
): number {
  return config.exporterBufferLength === 0 ? config.buffersLength : config.exporterBufferLength;
}

interface Lane<Message> {
  // A map keeps the order of insertion: the first key is the oldest message.
  readonly waiting: Map<Message, SpooledBatch<Message>>;
  inFlight: number;
  batches: number;
}

/** Messages of one lane that came from one batch, and hold its place until the last is settled. */
interface SpooledBatch<Message> {
  readonly lane: Lane<Message>;
  unsettled: number;
}

/**
 * Encoded batches in the order in which they came, in lanes. What a batch has for a lane is taken
 * whole or not at all; a message that has been taken out still counts, against the limits and in
 * `backlog`, until it is settled.
 */
export class Spool<Message extends SpoolMessage = SpoolMessage> {
  readonly #limits: SpoolLimits;
  readonly #lanes = new Map<number, Lane<Message>>();
  readonly #taken = new Map<Message, SpooledBatch<Message>>();
  #messages = 0;
  #bytes = 0;
  #flowAmount: FlowAmount = NOTHING;

  constructor(limits: SpoolLimits) {
    this.#limits = limits;
  }

  /** Messages that wait or are being sent. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes in them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Numbers of the lanes that have messages, waiting or being sent. */
  lanes(): readonly number[] {
    return [...this.#lanes].filter(([, { batches }]) => batches > 0).map(([number]) => number);
  }

  /** No batch finds room, however small. */
  get isFull(): boolean {
    const lanes = [...this.#lanes.values()];
    return lanes.length > 0 && lanes.every((lane) => this.#isFull(lane));
  }

  /** The messages of one batch. Returns those that there is no room for. */
  offer(messages: readonly Message[]): readonly Message[] {
    const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0);
    if (this.#bytes + bytes > this.#limits.bytesMax) return messages;
    const refused: Message[] = [];
    for (const [lane, ofLane] of this.#byLane(messages)) {
      if (this.#isFull(lane)) refused.push(...ofLane);
      else this.#add(lane, ofLane);
    }
    return refused;
  }

  /** The oldest message of a lane that has less than so many in flight, for sending. */
  take(inFlightMax = Number.POSITIVE_INFINITY): Message | undefined {
    for (const lane of this.#lanes.values()) {
      if (lane.inFlight >= inFlightMax) continue;
      for (const [message, batch] of lane.waiting) {
        lane.waiting.delete(message);
        lane.inFlight++;
        this.#taken.set(message, batch);
        return message;
      }
    }
    return undefined;
  }

  /** A taken message has been sent, or given up. */
  settle(message: Message): void {
    const batch = assertExists(this.#taken.get(message), 'a message that is settled was taken');
    this.#taken.delete(message);
    this.#messages--;
    this.#bytes -= message.bytes.length;
    this.#flowAmount = plus(this.#flowAmount, message.amount, -1);
    batch.lane.inFlight--;
    batch.unsettled--;
    assert(batch.unsettled >= 0, 'messages of a batch are settled once');
    if (batch.unsettled === 0) batch.lane.batches--;
  }

  /** Parts of a taken message, which wait in its place: the limits do not mind. */
  divide(message: Message, parts: readonly Message[]): void {
    this.settle(message);
    for (const [lane, ofLane] of this.#byLane(parts)) this.#add(lane, ofLane);
  }

  /** Flows in messages that are not settled. */
  backlog(): FlowAmount {
    return this.#flowAmount;
  }

  #isFull(lane: Lane<Message>): boolean {
    return lane.batches >= this.#limits.batchesMax;
  }

  #byLane(messages: readonly Message[]): Map<Lane<Message>, Message[]> {
    return Map.groupBy(messages, ({ lane }) => this.#lane(lane ?? 0));
  }

  #lane(number: number): Lane<Message> {
    const known = this.#lanes.get(number);
    if (known !== undefined) return known;
    const lane: Lane<Message> = { waiting: new Map(), inFlight: 0, batches: 0 };
    this.#lanes.set(number, lane);
    return lane;
  }

  #add(lane: Lane<Message>, messages: readonly Message[]): void {
    const batch = { lane, unsettled: messages.length };
    for (const message of messages) {
      lane.waiting.set(message, batch);
      this.#bytes += message.bytes.length;
      this.#flowAmount = plus(this.#flowAmount, message.amount, 1);
    }
    this.#messages += messages.length;
    lane.batches++;
  }
}

const NOTHING: FlowAmount = { flows: 0, packets: 0, bytes: 0 };

function plus(sum: FlowAmount, { flows, packets, bytes }: FlowAmount, sign: 1 | -1): FlowAmount {
  return {
    flows: sum.flows + sign * flows,
    packets: sum.packets + sign * packets,
    bytes: sum.bytes + sign * bytes,
  };
}
