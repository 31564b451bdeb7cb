import { assert, assertExists } from '../../base/assert.ts';
import type { AgentConfig } from '../config.ts';
import type { FlowAmount } from './exporter.ts';

/** What is sent, or given up, as a whole. Exporters add what their transport needs. */
export interface SpoolMessage {
  readonly bytes: Uint8Array;
  /** Of the flows in it. */
  readonly amount: FlowAmount;
}

export interface SpoolLimits {
  readonly batchesMax: number;
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

/** Messages that came from one batch, and hold its place until the last is settled. */
interface SpooledBatch {
  unsettled: number;
}

/**
 * Encoded batches in the order in which they came. A batch is taken whole or not at all; a message
 * that has been taken out still counts, against the limits and in `backlog`, until it is settled.
 */
export class Spool<Message extends SpoolMessage = SpoolMessage> {
  readonly #limits: SpoolLimits;
  // Maps keep the order of insertion: the first key is the oldest message.
  readonly #waiting = new Map<Message, SpooledBatch>();
  readonly #taken = new Map<Message, SpooledBatch>();
  #batches = 0;
  #bytes = 0;
  #flowAmount: FlowAmount = NOTHING;

  constructor(limits: SpoolLimits) {
    this.#limits = limits;
  }

  /** Messages that wait or are being sent. */
  get messages(): number {
    return this.#waiting.size + this.#taken.size;
  }

  /** Bytes in them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** No batch finds room, however small. */
  get isFull(): boolean {
    return this.#batches === this.#limits.batchesMax;
  }

  /** The messages of one batch; false: there is no room, and none was taken. */
  offer(messages: readonly Message[]): boolean {
    const bytes = messages.reduce((sum, message) => sum + message.bytes.length, 0);
    if (messages.length === 0) return true;
    if (this.isFull) return false;
    if (this.#bytes + bytes > this.#limits.bytesMax) return false;
    const batch = { unsettled: messages.length };
    for (const message of messages) {
      this.#waiting.set(message, batch);
      this.#flowAmount = plus(this.#flowAmount, message.amount, 1);
    }
    this.#batches++;
    this.#bytes += bytes;
    return true;
  }

  /** The oldest message that waits, for sending. */
  take(): Message | undefined {
    for (const [message, batch] of this.#waiting) {
      this.#waiting.delete(message);
      this.#taken.set(message, batch);
      return message;
    }
    return undefined;
  }

  /** A taken message has been sent, or given up. */
  settle(message: Message): void {
    const batch = assertExists(this.#taken.get(message), 'a message that is settled was taken');
    this.#taken.delete(message);
    this.#bytes -= message.bytes.length;
    this.#flowAmount = plus(this.#flowAmount, message.amount, -1);
    batch.unsettled--;
    assert(batch.unsettled >= 0, 'messages of a batch are settled once');
    if (batch.unsettled === 0) this.#batches--;
  }

  /** Flows in messages that are not settled. */
  backlog(): FlowAmount {
    return this.#flowAmount;
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
