import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import type { AgentConfig } from '../config.ts';
import { flowKey, flowMetrics, config as layout, statValue } from '../drain/layout.gen.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { Framing } from '../interfaces/link.ts';
import type { Direction } from './hooks.ts';
import type { BpfObject, Native } from './native.ts';

/** By the index that `swap` returns. */
export const FLOW_MAPS = ['flows_a', 'flows_b'] as const;
export const STATS_MAP = 'stats';
export const WAKE_MAP = 'wake';

/**
 * Share of a flow map at which user space is woken. At 100,000 new flows a second into 10,000
 * entries this leaves 65 ms to notice and swap; a smaller share swaps, and waits, more often.
 */
const WAKE_SHARE = 0.35;

export function programOf(direction: Direction, framing: Framing): string {
  return `flow_${direction}_${framing}`;
}

export interface LoadedObject {
  readonly object: BpfObject;
  /** False: the kernel does not tell hooks their namespace, and names go by index alone. */
  readonly knowsNamespaces: boolean;
}

/** Loads the datapath, configured; throws a coded error that says what to do. */
export function loadDatapath(
  native: Native,
  object: Uint8Array,
  config: Pick<AgentConfig, 'cacheMaxFlows' | 'sampling' | 'direction'>,
): LoadedObject {
  const load = (knowsNamespaces: boolean): BpfObject =>
    native.load(object, {
      config: configBytes(config, knowsNamespaces),
      maxEntries: Object.fromEntries(FLOW_MAPS.map((map) => [map, config.cacheMaxFlows])),
      programs: programsFor(config.direction),
    });

  let loaded: LoadedObject;
  try {
    loaded = { object: load(true), knowsNamespaces: true };
  } catch (first) {
    // A kernel without bpf_get_netns_cookie() for TC refuses the program; anything else will come
    // up again.
    if (isPermission(first)) throw refusal(first);
    try {
      loaded = { object: load(false), knowsNamespaces: false };
    } catch (second) {
      throw refusal(second);
    }
  }
  try {
    checkLayout(native, loaded.object);
  } catch (error) {
    native.close(loaded.object);
    throw error;
  }
  return loaded;
}

function programsFor(direction: AgentConfig['direction']): string[] {
  const directions: readonly Direction[] =
    direction === 'both' ? ['ingress', 'egress'] : [direction];
  return directions.flatMap((one) => [programOf(one, 'l2'), programOf(one, 'l3')]);
}

function configBytes(
  config: Pick<AgentConfig, 'cacheMaxFlows' | 'sampling'>,
  knowsNamespaces: boolean,
): Uint8Array {
  const bytes = new Uint8Array(layout.sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(layout.sampling, config.sampling, true);
  view.setUint32(
    layout.wakeEntries,
    Math.max(1, Math.floor(config.cacheMaxFlows * WAKE_SHARE)),
    true,
  );
  view.setUint8(layout.hasNetnsCookie, knowsNamespaces ? 1 : 0);
  return bytes;
}

function checkLayout(native: Native, object: BpfObject): void {
  const wanted = [
    ...FLOW_MAPS.map((map) => [map, flowKey.sizeBytes, flowMetrics.sizeBytes] as const),
    [STATS_MAP, 4, statValue.sizeBytes] as const,
  ];
  for (const [map, keySize, valueSize] of wanted) {
    const found = native.describeMap(object, map);
    if (found.keySize === keySize && found.valueSize === valueSize) continue;
    throw new NetobservError(
      AGENT_ERRORS.layout,
      `map ${map} has keys of ${found.keySize} and values of ${found.valueSize} bytes, ` +
        `expected ${keySize} and ${valueSize}: the object and this program are of different builds`,
      { details: { map, ...found } },
    );
  }
}

function isPermission(error: unknown): boolean {
  return hasCode(error, 'EPERM');
}

function refusal(cause: unknown): NetobservError {
  const advice = isPermission(cause)
    ? 'it needs the capabilities BPF, PERFMON and NET_ADMIN: run as root'
    : 'it needs Linux 5.10 or later with BTF (CONFIG_DEBUG_INFO_BTF)';
  return new NetobservError(
    AGENT_ERRORS.load,
    `the kernel refused the datapath (${explain(cause)}): ${advice}`,
    { cause },
  );
}
