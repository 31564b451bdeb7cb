import { readFileSync, readlinkSync } from 'node:fs';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { hookPrograms, WITNESS_PROGRAM } from '../loader/object.ts';
import { ownerName, type ProcessView } from '../loader/owner.ts';
import type { AgentMetrics } from '../metrics.ts';
import { Company } from './company.ts';
import { HookFacts, type HookFactsDeps } from './hook-facts.ts';
import type { HookWatchDeps } from './hook-watch.ts';

/** Distinguishes our hooks from others'. */
export type HookGuard = Pick<HookWatchDeps, 'ours' | 'processes' | 'company' | 'wantsHead'>;

export interface GuardDeps {
  readonly native: Native;
  readonly object: BpfObject;
  readonly knowsNamespaces: boolean;
  readonly clock: HookFactsDeps['clock'];
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** Keeps our hooks apart from others', and checks where they are. */
export interface Guarding {
  readonly facts: HookFacts;
  readonly guard: HookGuard;
  /** Name of TC filters. */
  readonly owner: string;
}

export function createGuard(config: AgentConfig, deps: GuardDeps): Guarding {
  const { native, object, knowsNamespaces } = deps;
  // Programs of another loader have no known number, and are not checked.
  const names = config.ebpfProgramManagerMode ? [] : hookPrograms(config);
  const programs = new Set(names.map((name) => native.programId(object, name)));
  const witness = config.ebpfProgramManagerMode ? 0 : native.programId(object, WITNESS_PROGRAM);
  const isWitness = (id: number): boolean => native.programName(id) === WITNESS_PROGRAM;
  const processes: ProcessView = {
    ...hostProcesses(),
    // Without CAP_SYS_ADMIN even our own program is not visible.
    hasWitness: (id) => (isWitness(witness) ? isWitness(id) : undefined),
  };
  const owner = ownerName(processes, Math.min(...programs, Number.MAX_SAFE_INTEGER), witness);
  const { tcAttachMode, tcxAttachAnchorIngress, tcxAttachAnchorEgress } = config;
  return {
    owner,
    facts: new HookFacts({
      ...deps,
      exact: knowsNamespaces,
      readsTunnels: config.tunnelInnerFlows,
    }),
    guard: {
      ours: { programs, owner },
      processes,
      company: new Company(deps),
      // Filters run after every TCX program.
      wantsHead: (direction) =>
        tcAttachMode !== 'tc' &&
        (direction === 'ingress' ? tcxAttachAnchorIngress : tcxAttachAnchorEgress) === 'head',
    },
  };
}

function hostProcesses(): Omit<ProcessView, 'hasWitness'> {
  return {
    directory: '/proc',
    read: (path) => tryTo(() => readFileSync(path, 'latin1')),
    link: (path) => tryTo(() => readlinkSync(path)),
  };
}

function tryTo(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
