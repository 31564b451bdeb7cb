import { assert, assertExists } from '../base/assert.ts';
import { type FlowAmount, type Message, NO_FLOWS, type Settlement } from './message.ts';

export interface SpoolLimits {
  /** Batches in each lane. */
  readonly batchesMax: number;
  /** Encoded bytes in all lanes. */
  readonly bytesMax: number;
}

/** Encoded bytes that may wait, for any number of batches. */
export const SPOOL_BYTES_MAX = 64 * 2 ** 20;

interface SpoolLane<M> {
  // A map keeps the order of insertion: the first key is the oldest message.
  readonly waiting: Map<M, SpooledBatch<M>>;
  inFlight: number;
  batches: number;
}

/** Messages of one lane that came from one batch. They hold its place until the last is settled. */
interface SpooledBatch<M> {
  readonly lane: SpoolLane<M>;
  readonly settlement: Settlement | undefined;
  unsettled: number;
}

/**
 * Encoded batches in order of arrival, in lanes. A lane takes its part of a batch whole or not at
 * all. A message that was taken out counts against the limits, and in `backlog`, until it is
 * settled.
 */
export class Spool<M extends Message = Message> {
  readonly #limits: SpoolLimits;
  readonly #lanes = new Map<number, SpoolLane<M>>();
  readonly #taken = new Map<M, SpooledBatch<M>>();
  #messages = 0;
  #bytes = 0;
  #amount: FlowAmount = NO_FLOWS;

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
    const isFull = lanes.length > 0 && lanes.every((lane) => this.#isFull(lane));
    return isFull || this.#bytes >= this.#limits.bytesMax;
  }

  /** Adds the messages of one batch. Returns those that found no room. */
  offer(messages: readonly M[], settlement?: Settlement): readonly M[] {
    const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0);
    if (this.#bytes + bytes > this.#limits.bytesMax) return messages;
    const refused: M[] = [];
    for (const [lane, ofLane] of this.#byLane(messages)) {
      if (this.#isFull(lane)) refused.push(...ofLane);
      else this.#add(lane, ofLane, settlement);
    }
    return refused;
  }

  /** The oldest message of a lane that has fewer than `inFlightMax` in flight. */
  take(inFlightMax = Number.POSITIVE_INFINITY): M | undefined {
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

  /** Forgets a taken message. Returns the settlement that it was offered with. */
  settle(message: M): Settlement | undefined {
    const batch = assertExists(this.#taken.get(message), 'a message that is settled was taken');
    this.#taken.delete(message);
    this.#messages--;
    this.#bytes -= message.bytes.length;
    this.#amount = plus(this.#amount, message.amount, -1);
    batch.lane.inFlight--;
    batch.unsettled--;
    assert(batch.unsettled >= 0, 'messages of a batch are settled once');
    if (batch.unsettled === 0) batch.lane.batches--;
    return batch.settlement;
  }

  /** Puts the parts of a taken message in its place. The limits are not checked again. */
  divide(message: M, parts: readonly M[]): void {
    const settlement = this.settle(message);
    for (const [lane, ofLane] of this.#byLane(parts)) this.#add(lane, ofLane, settlement);
  }

  /** Flows in messages that are not settled. */
  backlog(): FlowAmount {
    return this.#amount;
  }

  #isFull(lane: SpoolLane<M>): boolean {
    return lane.batches >= this.#limits.batchesMax;
  }

  #byLane(messages: readonly M[]): Map<SpoolLane<M>, M[]> {
    return Map.groupBy(messages, ({ lane }) => this.#lane(lane ?? 0));
  }

  #lane(number: number): SpoolLane<M> {
    const known = this.#lanes.get(number);
    if (known !== undefined) return known;
    const lane: SpoolLane<M> = { waiting: new Map(), inFlight: 0, batches: 0 };
    this.#lanes.set(number, lane);
    return lane;
  }

  #add(lane: SpoolLane<M>, messages: readonly M[], settlement: Settlement | undefined): void {
    const batch = { lane, settlement, unsettled: messages.length };
    for (const message of messages) {
      lane.waiting.set(message, batch);
      this.#bytes += message.bytes.length;
      this.#amount = plus(this.#amount, message.amount, 1);
    }
    this.#messages += messages.length;
    lane.batches++;
  }
}

function plus(sum: FlowAmount, { flows, packets, bytes }: FlowAmount, sign: 1 | -1): FlowAmount {
  return {
    flows: sum.flows + sign * flows,
    packets: sum.packets + sign * packets,
    bytes: sum.bytes + sign * bytes,
  };
}
