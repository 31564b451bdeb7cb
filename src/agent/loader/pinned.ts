import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import type { AgentConfig } from '../config.ts';
import { flowMetrics, config as layout } from '../drain/layout.gen.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { FeatureSpec } from '../features/feature.ts';
import { FEATURES } from '../features/table.ts';
import type { BpfObject, Native } from './native.ts';
import {
  CONFIG_MAP,
  CURRENT_MAP,
  checkLayout,
  FLOW_MAPS,
  INSERTED_MAP,
  type LoadedFeature,
  type LoadedObject,
  type RefusedFeature,
  STATS_MAP,
  WAKE_MAP,
} from './object.ts';

/** Pinned under their own names; all of them are needed to drain. */
const REQUIRED = [...FLOW_MAPS, CURRENT_MAP, INSERTED_MAP, STATS_MAP, WAKE_MAP] as const;

/** A BPF file system accepts no dots in names. */
const CONFIG_PIN = 'config';

/** More files than this are a mistake. */
const PINS_MAX = 1024;

/**
 * The datapath that another program has loaded, attached and pinned: maps by their names, in the
 * folder of BPFMAN_BPF_FS_PATH.
 *
 * If the programs' constants are also pinned, as `config`, they show which features are on and
 * where they are in an entry. Otherwise the agent's own configuration does: it must be the one that
 * the programs were loaded with, and the size of entries must agree.
 */
export function openPinned(native: Native, object: Uint8Array, config: AgentConfig): LoadedObject {
  const handle = native.openUnloaded(object);
  try {
    const pinned = adoptAll(native, handle, config.bpfmanBpfFsPath);
    const valueBytes = native.describeMap(handle, FLOW_MAPS[0]).valueSize;
    const knobs = pinned.has(CONFIG_PIN) ? readConfig(native, handle) : undefined;
    const loaded: LoadedObject = {
      object: handle,
      // Kernels that do not report namespaces are older than program managers.
      knowsNamespaces: knobs === undefined || knobs.getUint8(layout.hasNetnsCookie) !== 0,
      valueBytes: knobs === undefined ? valueBytesOf(config) : valueBytes,
      ...chooseFeatures(config, knobs, pinned),
    };
    checkLayout(native, loaded);
    checkOffsets(loaded);
    return loaded;
  } catch (error) {
    native.close(handle);
    throw error;
  }
}

/** Takes over the pinned maps; returns their names. */
function adoptAll(native: Native, object: BpfObject, folder: string): ReadonlySet<string> {
  const adopted = new Set<string>();
  for (const name of listPins(folder)) {
    const map = name === CONFIG_PIN ? CONFIG_MAP : name;
    try {
      native.adoptPinned(object, map, join(folder, name));
      adopted.add(name);
    } catch (cause) {
      // Skips files of other programs; missing maps of ours are detected below.
      if (!isRequired(name)) continue;
      throw refuse(`map ${name} cannot be opened (${explain(cause)})`, folder, name, cause);
    }
  }
  for (const name of REQUIRED) {
    if (!adopted.has(name)) throw refuse(`map ${name} is not pinned`, folder, name);
  }
  return adopted;
}

function listPins(folder: string): readonly string[] {
  try {
    return readdirSync(folder).slice(0, PINS_MAX);
  } catch (cause) {
    const what = hasCode(cause, 'ENOENT') ? 'there is no such folder' : explain(cause);
    throw refuse(`maps cannot be listed: ${what}`, folder, undefined, cause);
  }
}

function isRequired(name: string): boolean {
  return (REQUIRED as readonly string[]).includes(name);
}

function refuse(
  what: string,
  folder: string,
  map: string | undefined,
  cause?: unknown,
): NetobservError {
  return new NetobservError(AGENT_ERRORS.pinned, `BPFMAN_BPF_FS_PATH: ${what} in ${folder}`, {
    cause,
    details: {
      folder,
      ...(map === undefined ? {} : { map }),
      next: `With EBPF_PROGRAM_MANAGER_MODE the maps ${REQUIRED.join(', ')} must be pinned there by the program that loads the datapath; opening them takes CAP_BPF.`,
    },
  });
}

function readConfig(native: Native, object: BpfObject): DataView {
  const { valueSize } = native.describeMap(object, CONFIG_MAP);
  if (valueSize !== layout.sizeBytes) {
    throw new NetobservError(
      AGENT_ERRORS.layout,
      `map config has ${valueSize} bytes, expected ${layout.sizeBytes}: the pinned programs and this program are of different builds`,
      { details: { map: CONFIG_PIN, valueSize } },
    );
  }
  const bytes = new Uint8Array(valueSize);
  native.readMap(object, CONFIG_MAP, 0, bytes);
  return new DataView(bytes.buffer);
}

function valueBytesOf(config: AgentConfig): number {
  return FEATURES.filter((spec) => spec.isOn(config)).reduce<number>(
    (bytes, { extension }) => bytes + (extension?.sizeBytes ?? 0),
    flowMetrics.sizeBytes,
  );
}

/** The requested features that the programs have. */
function chooseFeatures(
  config: AgentConfig,
  knobs: DataView | undefined,
  pinned: ReadonlySet<string>,
): { features: LoadedFeature[]; refused: RefusedFeature[] } {
  const features: LoadedFeature[] = [];
  const refused: RefusedFeature[] = [];
  let end: number = flowMetrics.sizeBytes;
  for (const spec of FEATURES.filter((feature) => feature.isOn(config))) {
    const own = spec.extension === undefined ? 0 : end;
    end += spec.extension?.sizeBytes ?? 0;
    const at = knobs === undefined ? own : offsetOf(spec, knobs);
    const missing = spec.maps?.find((map) => !pinned.has(map));
    if (spec.extension !== undefined && at === 0) {
      refused.push({ spec, cause: new Error('the programs were loaded without it') });
    } else if (missing !== undefined) {
      refused.push({ spec, cause: new Error(`map ${missing} is not pinned`) });
    } else {
      // The program that loaded the datapath attaches the probes.
      features.push({ spec, at, probes: [] });
    }
  }
  return { features, refused };
}

function offsetOf({ extension }: FeatureSpec, knobs: DataView): number {
  return extension === undefined ? 0 : knobs.getUint16(layout[extension.at], true);
}

function checkOffsets({ features, valueBytes }: LoadedObject): void {
  for (const { spec, at } of features) {
    if (at + (spec.extension?.sizeBytes ?? 0) <= valueBytes) continue;
    throw new NetobservError(
      AGENT_ERRORS.layout,
      `feature ${spec.name} is at byte ${at} of entries of ${valueBytes}: the pinned programs and their config disagree`,
      { details: { feature: spec.name, at, valueBytes } },
    );
  }
}
