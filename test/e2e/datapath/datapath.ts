/** Drives the real datapath: loads objects, runs frames through hooks, reads flows back. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buildBpf } from '../../../scripts/build-bpf.ts';
import { buildNative } from '../../../scripts/build-native.ts';
import { ROOT } from '../../../scripts/steps.ts';
import {
  config as configLayout,
  flowKey,
  flowMetrics,
  hookFact,
  ifindexSeen,
  observedInterface,
  stat,
  statValue,
} from '../../../src/agent/drain/layout.gen.ts';
import type { FeatureSpec } from '../../../src/agent/features/feature.ts';
import { parseFilterRules } from '../../../src/agent/filters/parse.ts';
import { configureFilter, filterSections } from '../../../src/agent/loader/filter-rules.ts';
import type { BpfObject, Native } from '../../../src/agent/loader/native.ts';
import { HOOK_FACTS_MAP } from '../../../src/agent/loader/object.ts';
import { configureTags, setMarks, TAG_SECRET_BYTES } from '../../../src/agent/loader/tags.ts';

buildBpf();
buildNative();

export const native: Native = createRequire(import.meta.url)(
  join(ROOT, 'build/native/netobserv.node'),
);

export const HOOKS = ['flow_ingress_l2', 'flow_egress_l2', 'flow_ingress_l3', 'flow_egress_l3'];
export const TEST_HOOKS = ['test_ingress_l2', 'test_egress_l2', 'test_ingress_l3'];
export const TEST_FILTER = 'test_filter';

export interface Flow {
  readonly key: string;
  readonly bytes: number;
  readonly packets: number;
  readonly tcpFlags: number;
  readonly vlanId: number;
  readonly dscp: number;
  readonly ethProtocol: number;
  readonly firstDirection: number;
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly sampling: number;
  readonly macs: string;
  readonly observed: readonly { netns: number; ifindexSeen: number }[];
  /** Data of the features, in the order of `DatapathOptions.extensions`. */
  readonly extensions: Buffer;
}

export interface Counters {
  readonly packets: number;
  readonly bytes: number;
}

export type Stats = Readonly<Record<Exclude<keyof typeof stat, 'count'>, Counters>>;

export interface DatapathOptions {
  readonly object?: 'flows' | 'flows_test' | 'flows_copy_test';
  readonly programs?: readonly string[];
  readonly entries?: number;
  readonly sampling?: number;
  readonly wakeEntries?: number;
  /** Extensions of enabled features, in their order in an entry. */
  readonly extensions?: readonly NonNullable<FeatureSpec['extension']>[];
  /** Hooks leave marks and accept plausible ones; default true. */
  readonly marks?: boolean;
  /** Sets further knobs. */
  readonly configure?: (view: DataView) => void;
  /** Entries of features' maps. */
  readonly maxEntries?: Readonly<Record<string, number>>;
  /** FLOW_FILTER_RULES. */
  readonly rules?: string;
  /** Sizes in bytes: captured part of a packet, ring buffer, ring data that causes a wake-up. */
  readonly capture?: { readonly bytes: number; readonly ring: number; readonly wake?: number };
}

/** Like random ones, and the same in every run. */
const TAG_SECRETS = Buffer.from(Array.from({ length: TAG_SECRET_BYTES }, (_, at) => at * 37 + 11));

/** Most flows per batch call. */
export const FLOWS_MAX = 4096;
const FLOW_MAPS = ['flows_a', 'flows_b', 'current'];

let isTold: boolean | undefined;

/** Whether hooks can read their namespace (Linux 6.2): found out by loading one. */
export function knowsNamespaces(): boolean {
  if (isTold !== undefined) return isTold;
  const config = Buffer.alloc(configLayout.sizeBytes);
  config[configLayout.hasNetnsCookie] = 1;
  try {
    const file = readFileSync(join(ROOT, 'build/bpf/flows.bpf.o'));
    native.close(native.load(file, { config, programs: ['flow_ingress_l2'], maxEntries: {} }));
    isTold = true;
  } catch {
    isTold = false;
  }
  return isTold;
}

export function loadDatapath(options: DatapathOptions = {}): BpfObject {
  const config = Buffer.alloc(configLayout.sizeBytes);
  config.writeUInt32LE(options.sampling ?? 0, configLayout.sampling);
  config.writeUInt32LE(options.wakeEntries ?? 0, configLayout.wakeEntries);
  config[configLayout.hasNetnsCookie] = knowsNamespaces() ? 1 : 0;
  let valueBytes: number = flowMetrics.sizeBytes;
  for (const { at, sizeBytes } of options.extensions ?? []) {
    config.writeUInt16LE(valueBytes, configLayout[at]);
    valueBytes += sizeBytes;
  }
  config.writeUInt16LE(valueBytes, configLayout.valueBytes);
  const { rules, problems } = parseFilterRules(options.rules ?? '');
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const view = new DataView(config.buffer, config.byteOffset, config.length);
  configureFilter(view, rules);
  config.writeUInt32LE(options.capture?.bytes ?? 0, configLayout.captureBytes);
  config.writeUInt32LE(options.capture?.wake ?? 2 ** 31, configLayout.captureWakeBytes);
  const captured = options.capture === undefined ? {} : { captured: options.capture.ring };
  configureTags(view, TAG_SECRETS);
  options.configure?.(view);
  const entries = options.entries ?? 1024;
  config.writeUInt32LE(entries, configLayout.flowEntries);
  const object = native.load(
    readFileSync(join(ROOT, `build/bpf/${options.object ?? 'flows'}.bpf.o`)),
    {
      config,
      data: filterSections(rules),
      maxEntries: { flows_a: entries, flows_b: entries, ...captured, ...options.maxEntries },
      valueBytes: Object.fromEntries(FLOW_MAPS.map((map) => [map, valueBytes])),
      programs: options.programs ?? HOOKS,
    },
  );
  setMarks(native, object, options.marks ?? true);
  return object;
}

/** Facts of an interface's hooks; the default namespace is the test's. */
export function setFacts(
  object: BpfObject,
  facts: Partial<Record<keyof typeof hookFact, boolean>>,
  ifindex = 1,
  namespace = '/proc/self/ns/net',
): void {
  const own = native.openNamespace(namespace);
  native.closeFd(own.fd);
  const told = knowsNamespaces() ? BigInt(own.cookie) : 0n;
  const bits = Object.entries(hookFact).map(([name, bit]) => (name in facts ? bit : 0));
  const key = Buffer.alloc(8);
  key.writeUInt32LE(Number(told & 0xffffffffn), observedInterface.netns);
  key.writeUInt32LE(ifindex, observedInterface.ifindexSeen);
  const value = Buffer.alloc(4);
  value.writeUInt32LE(bits.reduce<number>((all, bit) => all | bit, 0));
  native.updateMap(object, HOOK_FACTS_MAP, key, value);
}

const FIRST_SEEN_AT = flowMetrics.observed + observedInterface.ifindexSeen;

/** 1: the first packet went out where it was seen; 0: it came in. */
function firstDirectionOf(value: Buffer): number {
  return (value.readUInt32LE(FIRST_SEEN_AT) & ifindexSeen.firstEgress) === 0 ? 0 : 1;
}

const NOT_PLACE = ifindexSeen.firstEgress | ifindexSeen.bornIngress | ifindexSeen.bornEgress;

function decodeObserved(value: Buffer): Flow['observed'] {
  return Array.from({ length: flowMetrics.observedMax }, (_, slot) => {
    const at = flowMetrics.observed + slot * observedInterface.sizeBytes;
    return {
      netns: value.readUInt32LE(at + observedInterface.netns),
      ifindexSeen: (value.readUInt32LE(at + observedInterface.ifindexSeen) & ~NOT_PLACE) >>> 0,
    };
  }).filter((each) => each.ifindexSeen !== 0);
}

function decodeKey(key: Buffer): string {
  return [
    key.toString('hex', flowKey.srcIp, flowKey.srcIp + 16),
    key.toString('hex', flowKey.dstIp, flowKey.dstIp + 16),
    key.readUInt16LE(flowKey.srcPort),
    key.readUInt16LE(flowKey.dstPort),
    key[flowKey.protocol],
    key[flowKey.icmpType],
    key[flowKey.icmpCode],
    ...(key[flowKey.mapped] === 0 ? [] : ['mapped']),
  ].join();
}

function decode(key: Buffer, value: Buffer): Flow {
  return {
    key: decodeKey(key),
    bytes: Number(value.readBigUInt64LE(flowMetrics.bytes)),
    packets: Number(value.readBigUInt64LE(flowMetrics.packets)),
    tcpFlags: value.readUInt16LE(flowMetrics.tcpFlags),
    vlanId: value.readUInt16LE(flowMetrics.vlanId),
    dscp: value[flowMetrics.dscp]!,
    ethProtocol: value.readUInt16LE(flowMetrics.ethProtocol),
    firstDirection: firstDirectionOf(value),
    startNs: value.readBigUInt64LE(flowMetrics.startNs),
    endNs: value.readBigUInt64LE(flowMetrics.endNs),
    sampling: value.readUInt32LE(flowMetrics.sampling),
    macs: value.toString('hex', flowMetrics.srcMac, flowMetrics.srcMac + 12),
    observed: decodeObserved(value),
    extensions: Buffer.from(value.subarray(flowMetrics.sizeBytes)),
  };
}

/** Memory for entries. */
export function shared(bytes: number): Buffer<SharedArrayBuffer> {
  return Buffer.from(new SharedArrayBuffer(bytes));
}

/** Swaps the maps and empties the idle one. */
export async function takeFlows(object: BpfObject): Promise<Flow[]> {
  const still = (await native.swap(object)) === 0 ? 'flows_a' : 'flows_b';
  const keys = shared(FLOWS_MAX * flowKey.sizeBytes);
  const { valueSize } = native.describeMap(object, still);
  const values = shared(FLOWS_MAX * valueSize);
  const flows: Flow[] = [];
  for (;;) {
    const count = await native.drain(object, still, keys, values);
    if (count === 0) return flows;
    for (let row = 0; row < count; row++) {
      const key = keys.subarray(row * flowKey.sizeBytes, (row + 1) * flowKey.sizeBytes);
      const value = values.subarray(row * valueSize, (row + 1) * valueSize);
      flows.push(decode(key, value));
    }
  }
}

export function readStats(object: BpfObject): Stats {
  const cpus = native.possibleCpus();
  const values = Buffer.alloc(cpus * statValue.sizeBytes);
  const { count: _, ...names } = stat;
  const entries = Object.entries(names).map(([name, index]): [string, Counters] => {
    native.readMap(object, 'stats', index, values);
    let packets = 0;
    let bytes = 0;
    for (let at = 0; at < values.length; at += statValue.sizeBytes) {
      packets += Number(values.readBigUInt64LE(at + statValue.packets));
      bytes += Number(values.readBigUInt64LE(at + statValue.bytes));
    }
    return [name, { packets, bytes }];
  });
  return Object.fromEntries(entries) as Stats;
}

/** Sum over flows, in a form comparable to counters. */
export function totalOf(counters: readonly Counters[]): Counters {
  return {
    packets: counters.reduce((sum, each) => sum + each.packets, 0),
    bytes: counters.reduce((sum, each) => sum + each.bytes, 0),
  };
}
