import { randomBytes } from 'node:crypto';
import { type Clock, kernelMonotonicMs } from '../base/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { AgentStatus, CommonAgentDeps } from './agent.ts';
import type { AgentConfig } from './config.ts';
import { Accounting, type AccountingView } from './drain/accounting.ts';
import { FateCounter } from './drain/fates.ts';
import { createGuard } from './interfaces/guard.ts';
import { macPreferences } from './interfaces/mac-preference.ts';
import { InterfaceNames } from './interfaces/names.ts';
import { SocketHub } from './interfaces/socket-hub.ts';
import { InterfaceTracker } from './interfaces/tracker.ts';
import { Hooks } from './loader/hooks.ts';
import { ManagedHooks } from './loader/managed-hooks.ts';
import type { BpfObject, Native } from './loader/native.ts';
import { type LoadedObject, loadDatapath } from './loader/object.ts';
import { openPinned } from './loader/pinned.ts';
import { TAG_SECRET_BYTES } from './loader/tags.ts';
import type { AgentMetrics } from './metrics.ts';

/**
 * The parts that flows and packets share while an agent runs: the loaded datapath, the watched
 * interfaces, and the accounting of packets.
 */
export interface Watch {
  readonly object: BpfObject;
  readonly hub: SocketHub;
  readonly names: InterfaceNames;
  readonly fates: FateCounter;
  readonly accounting: Accounting;
  readonly tracker: InterfaceTracker;
  /** Dependencies of the parts that read the datapath. */
  readonly shared: WatchDeps;
}

export interface WatchDeps {
  readonly native: Native;
  readonly object: BpfObject;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: AgentMetrics;
  readonly names: InterfaceNames;
  /** CLOCK_MONOTONIC, milliseconds. */
  readonly kernelMonotonicMs: () => number;
}

/**
 * Loads the datapath, or opens one that a program manager has loaded, and composes the rest. Closes
 * the datapath if that fails.
 */
export async function openWatch<T>(
  config: AgentConfig,
  deps: CommonAgentDeps,
  compose: (loaded: LoadedObject) => T | Promise<T>,
): Promise<T> {
  const { native, object, secret = randomBytes } = deps;
  const loaded = config.ebpfProgramManagerMode
    ? openPinned(native, object, config)
    : loadDatapath(native, object, config, { secret: secret(TAG_SECRET_BYTES) });
  try {
    return await compose(loaded);
  } catch (error) {
    native.close(loaded.object);
    throw error;
  }
}

/** `onFailure` is called on a failure after which nothing is watched any more. */
export function createWatch(
  config: AgentConfig,
  deps: CommonAgentDeps,
  metrics: AgentMetrics,
  { object, knowsNamespaces }: LoadedObject,
  onFailure: (error: unknown) => void,
): Watch {
  const { native, clock, log } = deps;
  const preferences = macPreferences(config.preferredInterfaceForMacPrefix);
  const names = new InterfaceNames({ exact: knowsNamespaces, preferences });
  const shared = {
    ...{ native, object, clock, log, metrics, names },
    kernelMonotonicMs: deps.kernelMonotonicMs ?? kernelMonotonicMs,
  };
  const hub = new SocketHub(native, onFailure);
  const { facts, guard, owner } = createGuard(config, { ...shared, knowsNamespaces });
  const tracker = new InterfaceTracker(config, {
    ...shared,
    hub,
    facts,
    guard,
    hooks: config.ebpfProgramManagerMode
      ? new ManagedHooks(config)
      : new Hooks(config, { ...shared, owner }),
    namespaceDirectory: deps.namespaceDirectory ?? '/var/run/netns',
    processDirectory: deps.processDirectory ?? '/proc',
    isInteractive: deps.isInteractive ?? false,
  });
  const { flowFilterRules: rules, enablePca: isCapture } = config;
  const fates = new FateCounter(native, object, metrics, { rules, isCapture });
  return { object, hub, names, fates, accounting: new Accounting(fates, metrics), tracker, shared };
}

/** Last steps of a stop, when no hook remains. `keep` receives the final accounting. */
export function closingSteps(
  { object, hub, accounting, shared }: Watch,
  keep: (accounting: AccountingView) => void,
): readonly (() => void)[] {
  return [() => keep(accounting.view()), () => hub.close(), () => shared.native.close(object)];
}

/** `last`: the accounting that `closingSteps` has kept, for an agent that is not running. */
export function statusOf(
  watch: Watch | undefined,
  last: AccountingView | undefined,
  { features, vitals }: Pick<AgentStatus, 'features' | 'vitals'>,
): AgentStatus {
  watch?.accounting.refresh();
  return {
    interfaces: watch?.tracker.rows() ?? [],
    features,
    accounting: watch === undefined ? last : watch.accounting.view(),
    vitals,
  };
}
