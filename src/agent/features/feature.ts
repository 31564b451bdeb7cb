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

/** Field of `struct config` that holds the offset of a feature's structure in an entry. */
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
  /** Messages from the programs, besides the entries. */
  readonly messages: MessageReader;
  /** The reader of flows can distinguish flows without packets from others. */
  readonly takesEmptyFlows: boolean;
  /** Decodes a batch before the features do. */
  readonly connections: Connections;
  /** Offset of another feature's structure in an entry, bytes; 0: that feature is off. */
  readonly offsetOf: (extension: ExtensionKey) => number;
}

/** `FeatureSpec.enabledBy` of features without probes, which only the hooks implement. */
export const HOOKS_ALONE = 'what capture itself takes';

type Ways = readonly (readonly ProbeOptions[])[];

export function waysOf({ ways }: FeatureSpec, config: AgentConfig): Ways {
  return (typeof ways === 'function' ? ways(config) : ways) ?? [];
}

/**
 * A feature that can be enabled: its needs in the kernel, and its reader. Each has a file, listed
 * in `table.ts`. If the kernel does not allow a feature, it is left out and logged once; the other
 * features continue.
 */
export interface FeatureSpec {
  /** Its name in the log, in `netobserv doctor` and in the status. */
  readonly name: string;
  /** The variable that enables it. */
  readonly variable: string;
  isOn(config: AgentConfig): boolean;
  /** The gates of the fields that it fills. */
  readonly fields?: Feature | readonly Feature[];
  /** The fields that flows lack without it: `flows have no TimeFlowRttNs`. */
  readonly without: string;
  /** Its requirements, for `netobserv doctor`: `Linux 5.17 or later with BTF`. */
  readonly enabledBy: string;
  /** Capabilities that it needs besides the datapath's own, to start and to run. */
  readonly capabilities?: {
    readonly start?: readonly Capability[];
    readonly run?: readonly Capability[];
  };
  /** Its structure in a flow's entry. */
  readonly extension?: { readonly at: ExtensionKey; readonly sizeBytes: number };
  /** Sets its own fields of `struct config`. */
  configure?(view: DataView, config: AgentConfig): void;
  /** Sizes of its maps, which have one entry while it is off. */
  maxEntries?(config: AgentConfig): Readonly<Record<string, number>>;
  /** Its tables that senders share, which also have one entry while it is off. */
  readonly sideTables?: readonly SideTable[];
  /** Maps that its reader reads; where another program loads the datapath, they must be pinned. */
  readonly maps?: readonly string[];
  /**
   * Programs besides the hooks, attached together. There may be several ways, the best first: the
   * first that the kernel loads is used. A function that throws gives the reason why none works.
   */
  readonly ways?: Ways | ((config: AgentConfig) => Ways);
  /** `at`: offset of the extension in an entry, bytes; 0 without one. */
  reader?(deps: FeatureReaderDeps, at: number): FeatureReader;
}
