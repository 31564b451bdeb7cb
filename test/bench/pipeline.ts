import { systemClock } from '../../src/base/clock.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import type { PipelineConfig, StageParameters } from '../../src/pipeline/config.ts';
import { defaultPipeline } from '../../src/pipeline/defaults.ts';
import { compilePipeline } from '../../src/pipeline/pipeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { copyBatch, pinnedBatches } from './flows.ts';

/** CPU time that each chain is measured for, after a warm-up of a third of it. */
const MEASURE_CPU_MS = 700;

const LATENCY_BUCKETS = [0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.25, 1];

const SUBNET_LABELS = [
  ...Array.from({ length: 8 }, (_, index) => ({
    name: `10.0.0.${index + 1}`,
    cidrs: [`10.128.${index + 1}.0/24`, `fd01:0:0:${index + 1}::/64`],
  })),
  { name: 'Services', cidrs: ['172.30.0.0/16'] },
  { name: 'link-local', cidrs: ['169.254.0.0/16'] },
];

function network(flagsOutput: string): StageParameters {
  const rules = [
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
    transform: { type: 'network', network: { rules, directionInfo, subnetLabels: SUBNET_LABELS } },
  };
}

const FILTER: StageParameters = {
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

const METRICS = [
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

function chain(stages: readonly StageParameters[]): PipelineConfig {
  let follows = 'preset-ingester';
  const pipeline = stages.map(({ name }) => {
    const edge = { name, follows };
    follows = name;
    return edge;
  });
  return { pipeline, parameters: stages };
}

function prom(metrics: readonly unknown[]): StageParameters {
  return { name: 'prom', encode: { type: 'prom', prom: { prefix: 'netobserv_', metrics } } };
}

const NONE: StageParameters = { name: 'none', write: { type: 'none' } };

/** Chains from the least to the most; the second is the one that the original was measured with. */
const CHAINS: Readonly<Record<string, PipelineConfig>> = {
  none: chain([NONE]),
  prom_measured: chain([network('Flags'), FILTER, prom(METRICS)]),
  // Every rule's result is read, so the compiler leaves none of them out.
  prom_all_live: chain([network('Flags'), FILTER, prom([...METRICS, SERVICE_METRIC])]),
  prom_flag_names: chain([
    network('FlagNames'),
    FILTER,
    prom([...METRICS, SERVICE_METRIC, FLAG_METRIC]),
  ]),
  prom_default: defaultPipeline({ prefix: 'netobserv_' }),
};

/** Flows per CPU-second through each chain, from a filled batch to the counters. */
export async function benchPipeline(): Promise<Record<string, number>> {
  const results: Record<string, number> = {};
  for (const [name, config] of Object.entries(CHAINS)) {
    results[`pipeline_${name}_flows_per_cpu_s`] = await measure(config);
  }
  return results;
}

async function measure(config: PipelineConfig): Promise<number> {
  const tables = new TableSpace();
  const pipeline = compilePipeline(config, {
    log: createLog('silent'),
    metrics: createMetrics(''),
    clock: systemClock,
    tables,
  });
  await pipeline.start(new AbortController().signal);
  const pinned = pinnedBatches(pipeline.layout, tables.current);
  const feed = (cpuMs: number): number => {
    let flows = 0;
    const start = process.cpuUsage();
    for (;;) {
      for (const source of pinned) {
        const batch = pipeline.take();
        copyBatch(source, batch);
        pipeline.emit(batch);
        flows += source.length;
      }
      const { user, system } = process.cpuUsage(start);
      if (user + system >= cpuMs * 1000) return (flows / (user + system)) * 1e6;
    }
  };
  feed(MEASURE_CPU_MS / 3);
  const rate = feed(MEASURE_CPU_MS);
  await pipeline.stop();
  return Math.round(rate);
}

if (import.meta.main) console.log(await benchPipeline());
