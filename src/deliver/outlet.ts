import type { Component } from '../base/component.ts';
import type { HealthState } from '../telemetry/health.ts';
import type { Delivery } from './delivery.ts';
import type { FlowAmount, Message, Settlement } from './message.ts';

/** Turns batches into messages. */
export interface Encoder<Batch, M extends Message = Message> {
  /** Messages that hold the batch's selected rows. None refers to the batch's memory. */
  encode(batch: Batch): readonly M[];
}

/** The way out for batches: an encoder, a bounded spool, and a target. */
export class Outlet<Batch, M extends Message = Message> implements Component {
  readonly #encoder: Encoder<Batch, M>;
  readonly #delivery: Delivery<M>;
  readonly #rowsOf: (batch: Batch) => number;
  #ending: AbortSignal | undefined;
  #refusedAtEnd = 0;

  constructor(
    encoder: Encoder<Batch, M>,
    delivery: Delivery<M>,
    /** Rows of a batch that are to arrive. */
    rowsOf: (batch: Batch) => number,
  ) {
    this.#encoder = encoder;
    this.#delivery = delivery;
    this.#rowsOf = rowsOf;
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#ending = signal;
    await this.#delivery.start(signal);
  }

  /** Encodes and spools the batch's rows. False: there is no room, and none was taken. */
  offer(batch: Batch, settlement?: Settlement): boolean {
    const rows = this.#rowsOf(batch);
    const isTaken = !this.#delivery.isFull() && this.#spool(batch, rows, settlement);
    if (!isTaken && this.#ending?.aborted === true) this.#refusedAtEnd += rows;
    return isTaken;
  }

  whenRoom(): Promise<void> | undefined {
    return this.#delivery.whenRoom();
  }

  readiness(): HealthState {
    return this.#delivery.readiness();
  }

  /** Flows that were taken and have neither arrived nor been lost. */
  backlog(): FlowAmount {
    return this.#delivery.backlog();
  }

  /** Flows that were lost or refused since the signal of `start`. */
  lostAtEnd(): number {
    return this.#delivery.lostAtEnd + this.#refusedAtEnd;
  }

  drain(): Promise<void> {
    return this.#delivery.drain();
  }

  stop(): Promise<void> {
    return this.#delivery.stop();
  }

  #spool(batch: Batch, rows: number, settlement: Settlement | undefined): boolean {
    const messages = this.#encoder.encode(batch);
    if (!this.#delivery.offer(messages, settlement)) return false;
    if (settlement === undefined) return true;
    // An encoder leaves out rows that its protocol cannot express: these are settled here.
    const sent = messages.reduce((sum, { amount }) => sum + amount.flows, 0);
    if (sent < rows) settlement.arrived(rows - sent);
    return true;
  }
}
