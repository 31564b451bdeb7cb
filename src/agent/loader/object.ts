import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import type { AgentConfig } from '../config.ts';
import { flowKey, flowMetrics, config as layout, statValue } from '../drain/layout.gen.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { type FeatureSpec, waysOf } from '../features/feature.ts';
import { FEATURES } from '../features/table.ts';
import type { Framing } from '../interfaces/link.ts';
import { configureFilter, filterSections } from './filter-rules.ts';
import type { Direction } from './hook.ts';
import type { BpfObject, Native, ProbeOptions } from './native.ts';
import { type SideTable, sideMapSizes } from './side-tables.ts';
import { configureTags } from './tags.ts';
import { refusedProgram, verifierWords } from './verifier.ts';

/** Maps by the index that `swap` returns. */
export const FLOW_MAPS = ['flows_a', 'flows_b'] as const;
export const CURRENT_MAP = 'current';
/** Number of new flows since the last swap. */
export const INSERTED_MAP = 'inserted';
/** The constants of the programs, `struct config`. */
export const CONFIG_MAP = '.rodata.config';
export const STATS_MAP = 'stats';
export const WAKE_MAP = 'wake';
/** Does nothing and is never attached: it exists as long as the process that loaded it. */
export const WITNESS_PROGRAM = 'hook_check';
/** Facts for hooks: interfaces that have hooks, and births of packets (enum hook_fact). */
export const HOOK_FACTS_MAP = 'hook_facts';
/** Ring buffer of captured packets. */
export const CAPTURE_MAP = 'captured';
/** The same limit as in the datapath: the rest of a packet is not captured. */
export const CAPTURE_BYTES_MAX = 65_664;
/** At 100,000 packets of 1500 bytes a second this holds 100 ms. A power of two. */
const CAPTURE_RING_BYTES = 16 * 1024 * 1024;
const CAPTURE_WAKE_SHARE = 0.25;

/**
 * New flows keep coming while a full map is swapped, which takes some 10 ms. A map too small for
 * that time is enlarged, up to room for 100,000 new flows a second.
 */
const ROOM_FACTOR = 10;
const ROOM_ENTRIES = 10_000;
/** Smaller values are raised to this: otherwise every flow would wake the agent. */
const FLOWS_MIN = 16;

/** Entries of a flow map for a wanted `CACHE_MAX_FLOWS`. */
export function flowMapEntries(flows: number): number {
  const wanted = Math.max(flows, FLOWS_MIN);
  return Math.max(wanted, Math.min(wanted * ROOM_FACTOR, ROOM_ENTRIES));
}

/**
 * Share of a flow map at which user space is woken. At 100,000 new flows a second into 10,000
 * entries this leaves 65 ms to notice and swap; a smaller share swaps, and waits, more often.
 */
const WAKE_SHARE = 0.35;

/** The output of hooks. */
export type HookKind = 'flow' | 'capture';

export function hookKind({ enablePca }: Pick<AgentConfig, 'enablePca'>): HookKind {
  return enablePca ? 'capture' : 'flow';
}

export function programOf(kind: HookKind, direction: Direction, framing: Framing): string {
  return `${kind}_${direction}_${framing}`;
}

/** A feature that the kernel has accepted. */
export interface LoadedFeature {
  readonly spec: FeatureSpec;
  /** Offset of its structure in an entry, bytes; 0: none. */
  readonly at: number;
  /** The probes to attach. */
  readonly probes: readonly ProbeOptions[];
}

export interface RefusedFeature {
  readonly spec: FeatureSpec;
  readonly cause: unknown;
}

export interface LoadedObject {
  readonly object: BpfObject;
  /** False: the kernel does not give hooks their namespace, and names depend on the index alone. */
  readonly knowsNamespaces: boolean;
  /** Bytes of an entry's value. */
  readonly valueBytes: number;
  readonly features: readonly LoadedFeature[];
  readonly refused: readonly RefusedFeature[];
}

interface ChosenFeature {
  readonly spec: FeatureSpec;
  readonly way: number;
}

/** The programs to load together: features, each in one of its ways. */
export interface LoadPlan {
  readonly config: AgentConfig;
  readonly knowsNamespaces: boolean;
  readonly features: readonly ChosenFeature[];
  /** Loads only the probes, which take less time than the hooks. */
  readonly withoutHooks?: boolean;
  /** Programs that only this load needs. */
  readonly extra?: readonly string[];
  /** Secret for marks; without it, there are no marks (`setMarks`). */
  readonly secret?: Uint8Array;
}

export interface LoadWishes {
  /** Default: the features that the configuration enables. */
  readonly wanted?: readonly FeatureSpec[];
  readonly secret?: Uint8Array;
}

/**
 * Loads the configured datapath. Features that the kernel refuses are left out; if it also refuses
 * the rest, a coded error says what to do.
 */
export function loadDatapath(
  native: Native,
  object: Uint8Array,
  config: AgentConfig,
  wishes: LoadWishes = {},
): LoadedObject {
  const loaded = loadWanted(native, object, config, wishes);
  try {
    checkLayout(native, loaded);
    return loaded;
  } catch (error) {
    native.close(loaded.object);
    throw error;
  }
}

function loadWanted(
  native: Native,
  object: Uint8Array,
  config: AgentConfig,
  { wanted, secret }: LoadWishes,
): LoadedObject {
  const asked = wanted ?? FEATURES.filter((one) => !config.enablePca && one.isOn(config));
  const all = asked.map((spec) => ({ spec, way: 0 }));
  const attempt: Attempt = (plan) =>
    loadPlan(native, object, { ...plan, ...(secret === undefined ? {} : { secret }) });
  try {
    return loadNamed(native, attempt, config, all);
  } catch (first) {
    // Without the capabilities nothing loads; any other failure may be due to one feature.
    if (isPermission(first) && all.length === 0) throw refusal(first);
  }
  const knowsNamespaces = findOut(native, attempt, config);
  const refused: RefusedFeature[] = [];
  const features = all.filter((feature) => {
    const found = findWay(native, attempt, { config, knowsNamespaces, features: [] }, feature.spec);
    if (typeof found === 'number') feature.way = found;
    else refused.push({ spec: feature.spec, cause: found.cause });
    return typeof found === 'number';
  });
  try {
    return { ...attempt({ config, knowsNamespaces, features }), refused };
  } catch (cause) {
    throw refusal(cause);
  }
}

type Attempt = (plan: LoadPlan) => LoadedObject;

/**
 * Loads all features. While the kernel refuses a feature's program and its log names it, the
 * feature goes to its next way, or is left out. Throws a refusal that is not explained so.
 */
function loadNamed(
  native: Native,
  attempt: Attempt,
  config: AgentConfig,
  all: readonly ChosenFeature[],
): LoadedObject {
  const plain = { config, knowsNamespaces: true, features: [], withoutHooks: true };
  const features = [...all];
  const refused: RefusedFeature[] = [];
  for (;;) {
    try {
      return { ...attempt({ config, knowsNamespaces: true, features }), refused };
    } catch (cause) {
      const program = refusedProgram(cause);
      if (program === undefined) throw cause;
      const at = features.findIndex(({ spec, way }) =>
        waysOf(spec, config)[way]?.some((probe) => probe.program === program),
      );
      const feature = features[at];
      if (feature === undefined) throw cause;
      const { spec, way } = feature;
      const found = findWay(native, attempt, plain, spec, { from: way + 1, cause });
      if (typeof found === 'number') features[at] = { spec, way: found };
      else {
        features.splice(at, 1);
        refused.push({ spec, cause: found.cause });
      }
    }
  }
}

/** Whether hooks can know their namespace; this needs a working plain datapath. */
function findOut(native: Native, attempt: Attempt, config: AgentConfig): boolean {
  for (const knowsNamespaces of [true, false]) {
    try {
      native.close(attempt({ config, knowsNamespaces, features: [] }).object);
      return knowsNamespaces;
    } catch (cause) {
      if (!knowsNamespaces || isPermission(cause)) throw refusal(cause);
    }
  }
  return false;
}

/**
 * The first way of the feature, after those that were refused, that loads by itself and can be
 * attached: arm64 reports only on attaching that it has no trampolines. Otherwise the first reason.
 */
function findWay(
  native: Native,
  attempt: Attempt,
  plain: LoadPlan,
  spec: FeatureSpec,
  refused: { readonly from: number; readonly cause: unknown } = { from: 0, cause: undefined },
): number | { readonly cause: unknown } {
  let { cause } = refused;
  // One way, which has the reason, for features without programs or with unknown ways.
  let count = refused.from + 1;
  for (let way = refused.from; way < count; way++) {
    try {
      count = Math.max(1, waysOf(spec, plain.config).length);
      if (way >= count) break;
      tryOut(native, attempt({ ...plain, features: [{ spec, way }] }));
      return way;
    } catch (error) {
      cause ??= error;
    }
  }
  return { cause };
}

function tryOut(native: Native, { object, features }: LoadedObject): void {
  try {
    for (const { probes } of features) for (const one of probes) native.attachProbe(object, one);
  } finally {
    native.close(object);
  }
}

export function loadPlan(native: Native, object: Uint8Array, plan: LoadPlan): LoadedObject {
  const { config, knowsNamespaces } = plan;
  let valueBytes: number = flowMetrics.sizeBytes;
  const features = plan.features.map(({ spec, way }): LoadedFeature => {
    const at = spec.extension === undefined ? 0 : valueBytes;
    valueBytes += spec.extension?.sizeBytes ?? 0;
    return { spec, at, probes: waysOf(spec, config)[way] ?? [] };
  });
  const probes = features.flatMap((feature) => feature.probes.map(({ program }) => program));
  const maps = [...FLOW_MAPS, CURRENT_MAP];
  const loaded = native.load(object, {
    config: configBytes(plan, features, valueBytes),
    data: filterSections(config.flowFilterRules ?? []),
    maxEntries: {
      ...mapSizes(config),
      ...sideMapSizes(
        [...hookTables(config), ...features.flatMap(({ spec }) => spec.sideTables ?? [])],
        native.possibleCpus(),
      ),
      ...Object.assign({}, ...features.map(({ spec }) => spec.maxEntries?.(config))),
    },
    valueBytes: Object.fromEntries(maps.map((map) => [map, valueBytes])),
    programs: [
      ...new Set([
        ...(plan.withoutHooks === true ? [] : hookPrograms(config)),
        WITNESS_PROGRAM,
        ...probes,
        ...(plan.extra ?? []),
      ]),
    ],
  });
  return { object: loaded, knowsNamespaces, valueBytes, features, refused: [] };
}

function mapSizes(config: AgentConfig): Readonly<Record<string, number>> {
  const flows = config.enablePca ? 1 : flowMapEntries(config.cacheMaxFlows);
  const sizes = Object.fromEntries(FLOW_MAPS.map((map) => [map, flows]));
  if (!config.enablePca) return sizes;
  return { ...sizes, [CAPTURE_MAP]: CAPTURE_RING_BYTES };
}

/** Tables that hooks need with any set of features. */
function hookTables({ enablePca }: AgentConfig): readonly SideTable[] {
  return enablePca ? ['fragments', 'captured_flows'] : ['fragments'];
}

/** Programs that are attached to interfaces. */
export function hookPrograms(config: AgentConfig): string[] {
  const { direction } = config;
  const directions: readonly Direction[] =
    direction === 'both' ? ['ingress', 'egress'] : [direction];
  const kind = hookKind(config);
  return directions.flatMap((one) => [programOf(kind, one, 'l2'), programOf(kind, one, 'l3')]);
}

function configBytes(
  { config, knowsNamespaces, secret }: LoadPlan,
  features: readonly LoadedFeature[],
  valueBytes: number,
): Uint8Array {
  const bytes = new Uint8Array(layout.sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(layout.sampling, config.sampling, true);
  const entries = flowMapEntries(config.cacheMaxFlows);
  view.setUint32(layout.flowEntries, entries, true);
  view.setUint32(layout.wakeEntries, Math.max(1, Math.floor(entries * WAKE_SHARE)), true);
  view.setUint16(layout.valueBytes, valueBytes, true);
  view.setUint8(layout.hasNetnsCookie, knowsNamespaces ? 1 : 0);
  view.setUint8(layout.watchedOnly, knowsNamespaces ? 1 : 0);
  view.setUint8(layout.watchesIngress, config.direction === 'egress' ? 0 : 1);
  view.setUint8(layout.watchesEgress, config.direction === 'ingress' ? 0 : 1);
  const { pcaSnapLength } = config;
  view.setUint32(
    layout.captureBytes,
    pcaSnapLength === 0 ? CAPTURE_BYTES_MAX : pcaSnapLength,
    true,
  );
  view.setUint32(layout.captureWakeBytes, CAPTURE_RING_BYTES * CAPTURE_WAKE_SHARE, true);
  configureFilter(view, config.flowFilterRules ?? []);
  if (secret !== undefined) configureTags(view, secret);
  for (const { spec, at } of features) {
    if (spec.extension !== undefined) view.setUint16(layout[spec.extension.at], at, true);
    spec.configure?.(view, config);
  }
  return bytes;
}

export function checkLayout(native: Native, { object, valueBytes }: LoadedObject): void {
  const wanted = [
    ...FLOW_MAPS.map((map) => [map, flowKey.sizeBytes, valueBytes] as const),
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

/** The meaning of a refusal, by its code. */
const ADVICE: Readonly<Record<string, string>> = {
  EPERM: 'it needs the capabilities BPF, PERFMON and NET_ADMIN: run as root',
  EMFILE: 'the limit of open files of this process (ulimit -n) is too low',
  ENFILE: 'the limit of open files of this machine (fs.file-max) is too low',
  ENOMEM: 'there is too little memory, of the machine or of the control group, for its maps',
};

const ANY_ADVICE = 'it needs Linux 5.12 or later, on arm64 5.18, with BTF (CONFIG_DEBUG_INFO_BTF)';

function refusal(cause: unknown): NetobservError {
  const code = Object.keys(ADVICE).find((one) => hasCode(cause, one));
  const advice = code === undefined ? ANY_ADVICE : ADVICE[code];
  return new NetobservError(
    AGENT_ERRORS.load,
    `the kernel refused the datapath (${explain(cause)}): ${advice}`,
    { cause, details: { verifier: verifierWords(cause) } },
  );
}
