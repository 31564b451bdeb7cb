import { Writable } from 'node:stream';
import { systemClock } from '../../src/base/clock.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { defaultPipeline } from '../../src/pipeline/defaults.ts';
import type { PipelineConfig, StageParameters } from '../../src/pipeline/options/graph.ts';
import { compilePipeline } from '../../src/pipeline/pipeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { Figure } from './figure.ts';
import { copyBatch, pinnedBatches } from './flows.ts';

/** CPU time of one run; the median of the runs after a warm-up counts. */
const RUN_CPU_MS = 150;
const RUNS = 5;

const LATENCY_BUCKETS = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 1];

const SUBNET_LABELS = [
  ...Array.from({ length: 8 }, (_, index) => ({
    name: `10.0.0.${index + 1}`,
    cidrs: [`10.128.${index + 1}.0/24`, `fd01:0:0:${index + 1}::/64`],
  })),
  { name: 'Services', cidrs: ['172.30.0.0/16'] },
  { name: 'link-local', cidrs: ['169.254.0.0/16'] },
];

/** `more`: further rules, before the others. */
export function network(
  flagsOutput: string,
  more: readonly object[] = [],
  settings: object = {},
): StageParameters {
  const rules = [
    ...more,
    { type: 'add_subnet_label', add_subnet_label: { input: 'SrcAddr', output: 'SrcSubnetLabel' } },
    { type: 'add_subnet_label', add_subnet_label: { input: 'DstAddr', output: 'DstSubnetLabel' } },
    { type: 'reinterpret_direction' },
    {
      type: 'add_service',
      add_service: { input: 'DstPort', output: 'DstService', protocol: 'Proto' },
    },
    { type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: flagsOutput } },
  ];
  const directionInfo = {
    reporterIPField: 'AgentIP',
    srcHostField: 'SrcSubnetLabel',
    dstHostField: 'DstSubnetLabel',
    flowDirectionField: 'FlowDirection',
    ifDirectionField: 'IfDirection',
  };
  return {
    name: 'net',
    transform: {
      type: 'network',
      network: { rules, directionInfo, subnetLabels: SUBNET_LABELS, ...settings },
    },
  };
}

export const FILTER: StageParameters = {
  name: 'filt',
  transform: {
    type: 'filter',
    filter: {
      rules: [
        {
          type: 'remove_entry_if_equal',
          removeEntry: { input: 'DstSubnetLabel', value: 'link-local' },
        },
        { type: 'remove_field', removeField: { input: 'Udns' } },
      ],
    },
  },
};

export const METRICS = [
  { name: 'node_flows_total', type: 'counter', labels: ['AgentIP', 'FlowDirection'] },
  {
    name: 'namespace_egress_bytes_total',
    type: 'counter',
    valueKey: 'Bytes',
    filters: [{ key: 'FlowDirection', value: '1|2', type: 'match_regex' }],
    labels: ['SrcSubnetLabel', 'DstSubnetLabel'],
  },
  {
    name: 'node_rtt_seconds',
    type: 'histogram',
    valueKey: 'TimeFlowRttNs',
    valueScale: 1e9,
    filters: [{ key: 'TimeFlowRttNs', type: 'presence' }],
    labels: ['SrcSubnetLabel', 'DstSubnetLabel'],
    buckets: LATENCY_BUCKETS,
  },
  {
    name: 'node_dns_latency_seconds',
    type: 'histogram',
    valueKey: 'DnsLatencyMs',
    valueScale: 1000,
    filters: [{ key: 'DnsId', type: 'presence' }],
    labels: ['DnsFlagsResponseCode', 'SrcSubnetLabel'],
    buckets: LATENCY_BUCKETS,
  },
];

const SERVICE_METRIC = {
  name: 'service_bytes_total',
  type: 'counter',
  valueKey: 'Bytes',
  labels: ['DstService', 'DstSubnetLabel'],
};

const FLAG_METRIC = {
  name: 'tcp_flags_total',
  type: 'counter',
  labels: ['FlagNames'],
  flatten: ['FlagNames'],
};

export function chain(
  stages: readonly StageParameters[],
  source = 'preset-ingester',
): PipelineConfig {
  let follows = source;
  const pipeline = stages.map(({ name }) => {
    const edge = { name, follows };
    follows = name;
    return edge;
  });
  return { pipeline, parameters: stages };
}

export function prom(metrics: readonly unknown[]): StageParameters {
  return { name: 'prom', encode: { type: 'prom', prom: { prefix: 'netobserv_', metrics } } };
}

const JSON_LINES: StageParameters = {
  name: 'json',
  write: { type: 'stdout', stdout: { format: 'json' } },
};

interface Chain {
  readonly name: string;
  readonly note: string;
  readonly config: PipelineConfig;
  readonly minimum?: number;
}

const TARGET_FLOWS_PER_SECOND = 3e6;

const CHAINS: readonly Chain[] = [
  {
    name: 'network rules, filter, 4 metrics',
    note: 'the configuration that the original was measured with; unread results are left out',
    config: chain([network('Flags'), FILTER, prom(METRICS)]),
    minimum: TARGET_FLOWS_PER_SECOND,
  },
  {
    name: 'network rules, filter, 5 metrics',
    note: 'the same and bytes by service: the result of every rule is read',
    config: chain([network('Flags'), FILTER, prom([...METRICS, SERVICE_METRIC])]),
    minimum: TARGET_FLOWS_PER_SECOND,
  },
  {
    name: 'network rules, filter, 6 metrics, one by TCP flag',
    note: 'the same and a list of flag names per flow, with a sample for each',
    config: chain([network('FlagNames'), FILTER, prom([...METRICS, SERVICE_METRIC, FLAG_METRIC])]),
  },
  {
    name: 'default pipeline, 10 metrics',
    note: 'what `up` runs, without the store',
    config: defaultPipeline({ prefix: 'netobserv_' }),
    minimum: TARGET_FLOWS_PER_SECOND,
  },
  {
    name: 'network rules, JSON lines',
    note: 'all columns; the bytes are thrown away',
    config: chain([network('Flags'), JSON_LINES]),
  },
];

/**
 * Flows per second of CPU time through each chain, from a filled batch to the counters; one
 * process, one core. Filling stands for a source: the pinned columns are copied into a batch of
 * the pool.
 */
export async function benchPipeline(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const { name, note, config, minimum } of CHAINS) {
    figures.push({
      name: `pipeline: ${name}`,
      value: await measure(config),
      unit: 'flows/CPU-s',
      note,
      ...(minimum === undefined ? {} : { target: { min: minimum } }),
    });
  }
  return figures;
}

async function measure(config: PipelineConfig): Promise<number> {
  const tables = new TableSpace();
  const pipeline = compilePipeline(config, {
    log: createLog('silent'),
    metrics: createMetrics(''),
    clock: systemClock,
    tables,
    stdout: new Writable({ write: (_bytes, _encoding, done) => done() }),
  });
  await pipeline.start(new AbortController().signal);
  const pinned = pinnedBatches(pipeline.layout, tables.current);
  const feed = async (cpuMs: number): Promise<number> => {
    let flows = 0;
    const start = process.cpuUsage();
    for (;;) {
      for (const source of pinned) {
        const batch = pipeline.take();
        copyBatch(source, batch);
        pipeline.emit(batch);
        flows += source.length;
        // A sink that answers later must keep up, or its branch would only drop.
        while (pipeline.branches()[0]!.inFlight > 0) await new Promise(setImmediate);
      }
      const { user, system } = process.cpuUsage(start);
      if (user + system >= cpuMs * 1000) return (flows / (user + system)) * 1e6;
    }
  };
  await feed(RUN_CPU_MS);
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) rates.push(await feed(RUN_CPU_MS));
  rates.sort((left, right) => left - right);
  await pipeline.stop();
  return Math.round(rates[Math.floor(RUNS / 2)]!);
}

if (import.meta.main) console.log(await benchPipeline());
