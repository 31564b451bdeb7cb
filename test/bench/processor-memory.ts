/** `netobserv processor` as a container runs it: the packed executable, with flows by gRPC. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/base/clock.ts';
import { RecordEncoder } from '../../src/codec/pbflow/encoder.ts';
import { withoutNodes } from '../../src/commands/environment.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { BatchLayout, type FlowBatch } from '../../src/flow/batch.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { GrpcClient } from '../../src/net/grpc/client.ts';
import type { PipelineConfig } from '../../src/pipeline/options/graph.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { kubeconfig } from '../support/kube/enrich.ts';
import { freePort, type Program, startProgram } from '../support/processes/program.ts';
import { Cluster, podAddress } from './cluster.ts';
import type { Figure } from './figure.ts';
import { pinnedBatches, random } from './flows.ts';
import { chain, FILTER, METRICS, network, prom } from './pipeline.ts';
import { cpuSeconds, medianOf, residentMegabytes } from './usage.ts';

const FLOWS_PER_SECOND = 10_000;
/** A batch is a whole number of messages. */
const FLOWS_PER_MESSAGE = 512;
const MESSAGE_PERIOD_MS = (1000 * FLOWS_PER_MESSAGE) / FLOWS_PER_SECOND;
const LOAD_SECONDS = 120;
const PODS_REPLACED_PER_SECOND = 10;
const SAMPLE_MS = 100;
const SCRAPE_SECONDS = 15;
/** Less than this part of the flows: the machine was too busy for the measurement. */
const ARRIVED_MIN = 0.95;
const SEED = 20_261_201;

const CLUSTERS = [
  { pods: 0, maxMegabytes: 100 },
  { pods: 10_000, maxMegabytes: 120 },
  { pods: 100_000, maxMegabytes: 300 },
] as const;

export async function benchProcessorMemory(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const { pods, maxMegabytes } of CLUSTERS) {
    figures.push(...(await measure(pods, maxMegabytes, LOAD_SECONDS)));
  }
  return figures;
}

/** Memory and CPU of one processor for a cluster of as many pods; without pods, it reads none. */
async function measure(
  pods: number,
  maxMegabytes: number,
  loadSeconds: number,
): Promise<readonly Figure[]> {
  await using cluster = new Cluster(pods);
  await cluster.api.start();
  using access = kubeconfig({ token: 'secret' }, cluster.api.url);
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-bench-'));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const file = join(folder, 'pipeline.json');
  const config = pods === 0 ? plainConfig() : kubernetesConfig(access.path);
  writeFileSync(file, JSON.stringify(withServers(config, port, metricsPort)));
  const program = startProgram(['processor', '--config', file], {
    flavour: 'packed',
    env: {
      // With variables of Node's the executable starts twice.
      ...(withoutNodes(process.env) ?? process.env),
      NETOBSERV_CACHE_DIR: join(folder, 'cache'),
    },
  });
  try {
    await program.waitFor(/processor is up/);
    while (pods > 0 && (await podsKnown(metricsPort)) < pods) await sleep(SAMPLE_MS);
    const startPeak = residentMegabytes(program, 'VmHWM');
    const use = await load(program, {
      ...{ port, metricsPort, loadSeconds, messages: messagesFor(pods) },
      replacePod: pods === 0 ? undefined : () => cluster.replacePod(),
    });
    return figuresOf(pods === 0 ? '' : `, ${pods / 1000}k pods`, maxMegabytes, startPeak, use);
  } finally {
    await program.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The configuration that `flowlogs-pipeline` was measured with. */
function plainConfig(): PipelineConfig {
  return chain([network('Flags'), FILTER, prom(METRICS)], 'grpc');
}

/** The same, with names of both ends and the usual metrics by them. */
function kubernetesConfig(configPath: string): PipelineConfig {
  const rules = ['Src', 'Dst'].map((end) => ({
    type: 'add_kubernetes',
    kubernetes: { ipField: `${end}Addr`, output: `${end}K8S`, add_zone: true },
  }));
  const counter = (name: string, labels: readonly string[]) => ({ name, type: 'counter', labels });
  const metrics = [
    ...METRICS,
    counter('namespace_flows_total', ['SrcK8S_Namespace', 'DstK8S_Namespace']),
    counter('node_ingress_flows_total', ['DstK8S_HostName', 'DstK8S_Zone']),
    counter('workload_ingress_flows_total', [
      ...['DstK8S_Namespace', 'DstK8S_OwnerName', 'DstK8S_OwnerType', 'DstK8S_Type'],
    ]),
    counter('pod_flows_total', ['SrcK8S_Zone', 'SrcK8S_Type', 'SrcK8S_OwnerType']),
  ];
  return chain(
    [network('Flags', rules, { kubeConfig: { configPath } }), FILTER, prom(metrics)],
    'grpc',
  );
}

function withServers(config: PipelineConfig, port: number, metricsPort: number) {
  return {
    metricsSettings: { address: '127.0.0.1', port: metricsPort },
    pipeline: [{ name: 'grpc' }, ...config.pipeline],
    parameters: [
      { name: 'grpc', ingest: { type: 'grpc', grpc: { port } } },
      ...(config.parameters ?? []),
    ],
  };
}

/** Pinned flows as agents send them; with pods, both ends are pods, whichever. */
function messagesFor(pods: number): readonly Uint8Array[] {
  const layout = new BatchLayout(agentColumns());
  const next = random(SEED);
  const messages: Uint8Array[] = [];
  for (const batch of pinnedBatches(layout, new TableSpace().current)) {
    setTimes(batch);
    for (const name of pods === 0 ? [] : ['SrcAddr', 'DstAddr']) {
      const values = batch.ids(name);
      for (let row = 0; row < batch.length; row++) {
        values[row] = batch.tables.addresses.internText(podAddress(Math.floor(next() * pods)));
      }
    }
    const encoder = new RecordEncoder('entries');
    const count = encoder.encode(batch);
    // The last batch has fewer flows.
    for (let to = FLOWS_PER_MESSAGE; to <= count; to += FLOWS_PER_MESSAGE) {
      const { bytes, offsets } = encoder;
      messages.push(bytes.slice(offsets[to - FLOWS_PER_MESSAGE], offsets[to]));
    }
  }
  return messages;
}

/** The cluster's pods have their addresses since 1970. */
function setTimes(batch: FlowBatch): void {
  for (const name of ['TimeFlowStartMs', 'TimeFlowEndMs']) {
    batch.f64(name).fill(Date.now(), 0, batch.length);
    batch.markPresent(name);
  }
}

interface LoadPlan {
  readonly port: number;
  readonly metricsPort: number;
  readonly loadSeconds: number;
  readonly messages: readonly Uint8Array[];
  readonly replacePod: (() => void) | undefined;
}

interface Use {
  readonly residentMb: readonly number[];
  readonly anonymousMb: readonly number[];
  readonly cpuSeconds: number;
  readonly flows: number;
  /** Counts of the processor itself, at the end. */
  readonly metrics: string;
}

/** Flows at a steady rate, replaced pods, and Prometheus. */
async function load(program: Program, plan: LoadPlan): Promise<Use> {
  const { port, metricsPort, loadSeconds, messages, replacePod } = plan;
  const scrape = () => metricsAt(metricsPort);
  const client = connect(port);
  const failures: unknown[] = [];
  const { signal } = new AbortController();
  let sent = 0;
  let lost = 0;
  const residentMb: number[] = [];
  const anonymousMb: number[] = [];
  const timers = [
    every(MESSAGE_PERIOD_MS, () => {
      const message = messages[sent++ % messages.length]!;
      client.call(message, signal).catch(() => lost++);
    }),
    every(SAMPLE_MS, () => {
      residentMb.push(residentMegabytes(program, 'VmRSS'));
      anonymousMb.push(residentMegabytes(program, 'RssAnon'));
    }),
    every(SCRAPE_SECONDS * 1000, () => scrape().catch((error: unknown) => failures.push(error))),
    ...(replacePod === undefined ? [] : [every(1000 / PODS_REPLACED_PER_SECOND, replacePod)]),
  ];
  const cpuBefore = cpuSeconds(program);
  await sleep(loadSeconds * 1000);
  for (const timer of timers) clearInterval(timer);
  const cpu = cpuSeconds(program) - cpuBefore;
  const metrics = await scrape();
  await client.close();
  if (failures.length > 0) throw failures[0];
  const flows = metricOf(metrics, 'ingest_flows_processed{stage="grpc"}');
  if (flows < ARRIVED_MIN * FLOWS_PER_SECOND * loadSeconds) {
    throw new Error(`only ${flows} flows arrived; ${lost} messages were refused`);
  }
  return { residentMb, anonymousMb, cpuSeconds: cpu, flows, metrics };
}

/** Makes up for times at which the bench itself was busy. */
function every(periodMs: number, act: () => void): NodeJS.Timeout {
  const startMs = performance.now();
  let acts = 0;
  return setInterval(() => {
    for (; acts * periodMs <= performance.now() - startMs; acts++) act();
  }, periodMs);
}

function connect(port: number): GrpcClient {
  const client = new GrpcClient(
    {
      ...{ host: '127.0.0.1', port, tls: undefined, method: '/pbflow.Collector/Send' },
      ...{ callTimeoutMs: 10_000, messageBytesMax: 2 ** 24, reconnectMs: 0, reconnectJitterMs: 0 },
    },
    { clock: systemClock, log: createLog('silent'), random: Math.random },
  );
  client.open();
  return client;
}

async function metricsAt(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}

async function podsKnown(metricsPort: number): Promise<number> {
  const text = await metricsAt(metricsPort);
  return Number(/^kube_objects\{kind="Pod"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

function metricOf(text: string, series: string): number {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  if (line === undefined) throw new Error(`there is no metric ${series}`);
  return Number(line.slice(series.length));
}

function figuresOf(what: string, max: number, startPeak: number, use: Use): readonly Figure[] {
  const megabytes = (name: string): string =>
    `${(metricOf(use.metrics, name) / 1e6).toFixed(1)} MB`;
  return [
    {
      name: `processor at 10k flows/s${what}: resident memory, median`,
      value: medianOf(use.residentMb),
      unit: 'MB',
      target: { max },
      note: [
        `heap ${megabytes('nodejs_heap_size_total_bytes')}`,
        `of which used ${megabytes('nodejs_heap_size_used_bytes')}`,
        `buffers outside of it ${megabytes('nodejs_external_memory_bytes')}`,
      ].join(', '),
    },
    {
      name: `processor at 10k flows/s${what}: resident memory, peak`,
      value: Math.max(...use.residentMb),
      unit: 'MB',
      target: { max },
      note: `until it was ready: ${startPeak.toFixed(1)} MB`,
    },
    {
      name: `processor at 10k flows/s${what}: the same without pages of files, median`,
      value: medianOf(use.anonymousMb),
      unit: 'MB',
      note: `peak ${Math.max(...use.anonymousMb).toFixed(1)} MB`,
    },
    {
      name: `processor at 10k flows/s${what}: CPU`,
      value: (use.cpuSeconds / use.flows) * 1e6,
      unit: 'µs/flow',
    },
  ];
}

if (import.meta.main) console.log(await benchProcessorMemory());
