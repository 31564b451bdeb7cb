import type { Accounting, StatusResponse } from '../../api.ts';

type AgentHealth = StatusResponse['agent'];

/** Unrecorded on purpose, or because the packets belong to no flow. */
const EXPECTED: ReadonlySet<string> = new Set(['not_ip', 'filtered']);

/** A row of the accounting: packets with the same outcome. */
export interface Fate {
  readonly name: string;
  readonly packets: number;
  readonly bytes: number;
  readonly isLoss: boolean;
}

/** Outcomes of all packets; their sum is the packets seen. Outcomes without packets are omitted. */
export function fatesOf(accounting: Accounting): readonly Fate[] {
  const { recordedPackets, recordedBytes, sampledOutPackets, sampledOutBytes } = accounting;
  const recorded = { packets: recordedPackets, bytes: recordedBytes };
  const sampledOut = { packets: sampledOutPackets, bytes: sampledOutBytes };
  const { filteredPackets, filteredBytes } = accounting;
  const filtered = { packets: filteredPackets, bytes: filteredBytes };
  return [
    { name: 'recorded', ...recorded, isLoss: false },
    ...[
      { name: 'filtered', ...filtered, isLoss: false },
      { name: 'sampled_out', ...sampledOut, isLoss: false },
    ].filter(isMet),
    ...Object.entries(accounting.unrecorded)
      .map(([name, amount]) => ({ name, ...amount, isLoss: !EXPECTED.has(name) }))
      .filter(isMet),
  ];
}

function isMet({ packets }: Fate): boolean {
  return packets > 0;
}

export function incompleteOf({ incomplete }: Accounting): number {
  return Object.values(incomplete).reduce((sum, packets) => sum + packets, 0);
}

/** Number of problems that need attention: kinds of losses, missing features, the store's. */
export function countConcerns({ agent, store }: Pick<StatusResponse, 'agent' | 'store'>): number {
  return agentConcerns(agent) + (store.warnings?.length ?? 0) + (store.isReady ? 0 : 1);
}

function agentConcerns({ accounting, features, vitals }: AgentHealth): number {
  const lost = accounting === null ? 0 : fatesOf(accounting).filter(({ isLoss }) => isLoss).length;
  const missing = features.filter(({ state }) => state === 'unavailable').length;
  const incomplete = accounting !== null && incompleteOf(accounting) > 0 ? 1 : 0;
  return lost + missing + incomplete + ((vitals?.probeMisses ?? 0) > 0 ? 1 : 0);
}
