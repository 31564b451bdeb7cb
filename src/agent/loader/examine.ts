import { explain } from '../../base/errors.ts';
import type { AgentConfig } from '../config.ts';
import { mapBytesOf } from '../drain/vitals.ts';
import { type FeatureSpec, waysOf } from '../features/feature.ts';
import { FEATURES } from '../features/table.ts';
import type { AttachMode } from './hook.ts';
import type { BpfObject, Native } from './native.ts';
import { type LoadedObject, loadDatapath, loadPlan, WITNESS_PROGRAM } from './object.ts';
import { verifierWords } from './verifier.ts';

/** The result of trying one way of a feature: `why` says why it failed. */
export interface WayExamination {
  readonly programs: readonly string[];
  readonly why: string | undefined;
  /** The verifier's reason, if the verifier refused. */
  readonly verifier?: readonly string[];
}

export interface FeatureExamination {
  readonly spec: FeatureSpec;
  /** `untried`: the datapath cannot be loaded. */
  readonly state: 'available' | 'unavailable' | 'untried';
  readonly ways: readonly WayExamination[];
}

export interface Examination {
  /** Undefined when the datapath runs here. */
  readonly why: string | undefined;
  readonly verifier?: readonly string[];
  /** Whether hooks know their network namespace. */
  readonly knowsNamespaces: boolean;
  /** The mode in which hooks can be attached. */
  readonly mode: AttachMode | undefined;
  readonly features: readonly FeatureExamination[];
  /** Kernel memory of the maps that the configuration needs, bytes. */
  readonly bpfBytes: number | undefined;
}

/** The loopback interface has this number in every network namespace. */
const LOOPBACK = 1;

/**
 * Finds out what the kernel allows by trying it: the datapath and each feature, in each of its
 * ways, are loaded, attached and released. Nothing remains, and no packet is touched.
 */
export async function examineDatapath(
  native: Native,
  object: Uint8Array,
  config: AgentConfig,
): Promise<Examination> {
  const untried = FEATURES.map((spec) => ({ spec, state: 'untried', ways: [] }) as const);
  let knowsNamespaces = false;
  try {
    const loaded = loadDatapath(native, object, config, { wanted: [] });
    native.close(loaded.object);
    knowsNamespaces = loaded.knowsNamespaces;
  } catch (error) {
    const nothing = { mode: undefined, features: untried, bpfBytes: undefined };
    return { ...refusalOf(error), knowsNamespaces, ...nothing };
  }
  const load: Load = (features, extra) =>
    loadPlan(native, object, { config, knowsNamespaces, features, extra });
  const hooks = await examineHooks(native, load, config);
  const features: FeatureExamination[] = [];
  for (const spec of FEATURES) features.push(await examineFeature(native, load, spec, config));
  const bpfBytes = measure(native, object, config);
  return { ...hooks, knowsNamespaces, features, bpfBytes };
}

type Load = (
  features: readonly { readonly spec: FeatureSpec; readonly way: number }[],
  extra: readonly string[],
) => LoadedObject;

async function examineHooks(
  native: Native,
  load: Load,
  { tcAttachMode, direction }: AgentConfig,
): Promise<Pick<Examination, 'mode' | 'why'>> {
  const modes: readonly AttachMode[] = tcAttachMode === 'tc' ? ['tc'] : ['tcx', 'tc'];
  const { object } = load([], [WITNESS_PROGRAM]);
  let why: string | undefined;
  try {
    for (const mode of modes) {
      try {
        const id = await native.attach(object, {
          program: WITNESS_PROGRAM,
          ifindex: LOOPBACK,
          direction: direction === 'egress' ? 'egress' : 'ingress',
          mode,
          anchor: 'none',
          owner: WITNESS_PROGRAM,
        });
        await native.detach(object, id);
        return { mode, why: undefined };
      } catch (error) {
        why ??= `hooks cannot be attached by ${mode.toUpperCase()}: ${explain(error)}`;
      }
    }
  } finally {
    native.close(object);
  }
  return { mode: undefined, why };
}

async function examineFeature(
  native: Native,
  load: Load,
  spec: FeatureSpec,
  config: AgentConfig,
): Promise<FeatureExamination> {
  const ways: WayExamination[] = [];
  for (const [way, programs] of programsOf(spec, config).entries()) {
    ways.push({ programs, ...(await tryWay(native, load, spec, way)) });
  }
  const works = ways.some(({ why }) => why === undefined);
  return { spec, state: works ? 'available' : 'unavailable', ways };
}

/**
 * Programs of each way. A feature without probes only lives in the hooks: loading it is its only
 * way. A feature that cannot name its ways reports why when it is loaded.
 */
function programsOf(spec: FeatureSpec, config: AgentConfig): readonly (readonly string[])[] {
  try {
    const ways = waysOf(spec, config);
    return ways.length === 0 ? [[]] : ways.map((way) => way.map(({ program }) => program));
  } catch {
    return [[]];
  }
}

/** `why` is undefined when it works. */
async function tryWay(
  native: Native,
  load: Load,
  spec: FeatureSpec,
  way: number,
): Promise<Omit<WayExamination, 'programs'>> {
  let object: BpfObject | undefined;
  try {
    const loaded = load([{ spec, way }], []);
    object = loaded.object;
    for (const probe of loaded.features.flatMap(({ probes }) => probes)) {
      await native.detach(object, native.attachProbe(object, probe));
    }
    return { why: undefined };
  } catch (error) {
    return refusalOf(error);
  } finally {
    if (object !== undefined) native.close(object);
  }
}

function refusalOf(error: unknown): Omit<WayExamination, 'programs'> {
  const verifier = verifierWords(error);
  return { why: explain(error), ...(verifier.length === 0 ? {} : { verifier }) };
}

/** Memory of the features that are enabled and available. */
function measure(native: Native, object: Uint8Array, config: AgentConfig): number | undefined {
  try {
    const loaded = loadDatapath(native, object, config);
    const maps = native.listMaps(loaded.object);
    const bytes = maps.reduce((sum, { fd }) => sum + mapBytesOf(fd), 0);
    native.close(loaded.object);
    return bytes;
  } catch {
    return undefined;
  }
}
