import type { Clock } from '../../base/clock.ts';
import type { Feature } from '../../flow/field.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import type { Connections } from '../connections/connections.ts';
import type { config as layout } from '../drain/layout.gen.ts';
import type { MessageReader } from '../drain/messages.ts';
import type { BpfObject, Native, ProbeOptions } from '../loader/native.ts';
import type { SideTable } from '../loader/side-tables.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { Capability } from '../privileges.ts';
import type { FeatureReader } from './reader.ts';

/** Place in `struct config` of the offset at which a feature's structure is in an entry. */
export type ExtensionKey = Extract<keyof typeof layout, `${string}At`>;

export interface FeatureReaderDeps {
  readonly config: AgentConfig;
  readonly native: Native;
  readonly object: BpfObject;
  readonly clock: Clock;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly kernelMonotonicMs: () => number;
  readonly log: Log;
  readonly metrics: AgentMetrics;
  /** What programs say besides what is in entries. */
  readonly messages: MessageReader;
  /** Whoever reads flows can tell those that have no packets from those that have. */
  readonly takesEmptyFlows: boolean;
  /** Has decoded a batch before the features do. */
  readonly connections: Connections;
  /** Where another feature's structure is in an entry, bytes; 0: that feature is off. */
  readonly offsetOf: (extension: ExtensionKey) => number;
}

/** `FeatureSpec.enabledBy` of features that live in the hooks. */
export const HOOKS_ALONE = 'what capture itself takes';

type Ways = readonly (readonly ProbeOptions[])[];

export function waysOf({ ways }: FeatureSpec, config: AgentConfig): Ways {
  return (typeof ways === 'function' ? ways(config) : ways) ?? [];
}

/**
 * A feature that can be switched on: what it needs of the kernel and what it makes of it. One file
 * each, listed in `table.ts`. What the kernel does not allow is left out, and said once; the other
 * features go on.
 */
export interface FeatureSpec {
  /** As in the log, in `netobserv doctor` and in the status. */
  readonly name: string;
  /** The variable that switches it on. */
  readonly variable: string;
  isOn(config: AgentConfig): boolean;
  /** The gates of the fields that it fills. */
  readonly fields?: Feature | readonly Feature[];
  /** What flows lack without it: `flows have no TimeFlowRttNs`. */
  readonly without: string;
  /** What it takes, for `netobserv doctor`: `Linux 5.17 or later with BTF`. */
  readonly enabledBy: string;
  /** Those that it takes besides the datapath's own, to start and to go on. */
  readonly capabilities?: {
    readonly start?: readonly Capability[];
    readonly run?: readonly Capability[];
  };
  /** Its structure in a flow's entry. */
  readonly extension?: { readonly at: ExtensionKey; readonly sizeBytes: number };
  /** Sets the knobs of `struct config` that are its own. */
  configure?(view: DataView, config: AgentConfig): void;
  /** Sizes of its maps, which have one entry while it is off. */
  maxEntries?(config: AgentConfig): Readonly<Record<string, number>>;
  /** Its tables that are shared out among senders, which have one entry while it is off, too. */
  readonly sideTables?: readonly SideTable[];
  /** Maps that its reader reads; where another program loads ours, they must be pinned. */
  readonly maps?: readonly string[];
  /**
   * Programs besides the hooks, attached together. Several ways, the best first: the first that the
   * kernel loads is taken. A function that throws says why there is none here.
   */
  readonly ways?: Ways | ((config: AgentConfig) => Ways);
  /** `at`: offset of the extension in an entry, bytes; 0 without one. */
  reader?(deps: FeatureReaderDeps, at: number): FeatureReader;
}
