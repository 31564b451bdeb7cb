/** Flows and the packets in them. */
export interface FlowAmount {
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
}

export const NO_FLOWS: FlowAmount = { flows: 0, packets: 0, bytes: 0 };

/** Encoded flows that a target gets, or loses, as a whole. Targets add what they need. */
export interface Message {
  readonly bytes: Uint8Array;
  /** Flows in the message. */
  readonly amount: FlowAmount;
  /**
   * Messages of one lane may wait for each other, those of two lanes never do. A number from 0;
   * an encoder uses a limited set of them. Default 0.
   */
  readonly lane?: number;
}

/** Why flows that a delivery took did not arrive; a label of metrics. */
export const LOSS_REASONS = [
  /** The receiver refused the message, and would refuse it again. */
  'refused',
  /** No attempt succeeded before the message's deadline. */
  'expired',
  /** An attempt got no answer in time. The message may have arrived, so it is not sent again. */
  'timeout',
  /** The connection broke after the message had left: it may have arrived. */
  'unanswered',
  /** The message's lane was full, while another lane was not. */
  'full',
  /** The program ended first. */
  'closing',
] as const;

export type LossReason = (typeof LOSS_REASONS)[number];

/**
 * The rows of one batch on their way. A receiver that took them reports each row once, as arrived
 * or as lost, at any later time; so a source can acknowledge what it has read.
 */
export interface Settlement {
  arrived(rows: number): void;
  lost(rows: number, reason: string): void;
}
