import type { ErrorRow } from '../../base/errors.ts';

/** Who sent a datagram. */
export interface DatagramSource {
  readonly address: string;
  readonly port: number;
}

/** The result of reading a datagram. The next one overwrites it. */
export interface DatagramOutcome {
  /** Flows that were added to batches. */
  flows: number;
  /** Records that no batch had room for. */
  lost: number;
  /** Records that the limit of the exporter has left out. */
  limited: number;
  /** Data sets whose template is not known. */
  unknownSets: number;
  /** Flows (NetFlow 5, IPFIX) or datagrams (others) that did not arrive before this one. */
  missing: number;
  missingUnit: 'flows' | 'datagrams';
  /** The first error in the datagram; flows before it are kept. */
  problem: ErrorRow | undefined;
}

export function emptyOutcome(missingUnit: DatagramOutcome['missingUnit']): DatagramOutcome {
  const counts = { flows: 0, lost: 0, limited: 0, unknownSets: 0, missing: 0 };
  return { ...counts, missingUnit, problem: undefined };
}

/** Before the next datagram is read. */
export function clearOutcome(outcome: DatagramOutcome): void {
  outcome.flows = 0;
  outcome.lost = 0;
  outcome.limited = 0;
  outcome.unknownSets = 0;
  outcome.missing = 0;
  outcome.problem = undefined;
}
