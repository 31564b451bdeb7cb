import { Readable, Writable } from 'node:stream';
import { systemClock } from '../../src/base/clock.ts';
import { JsonLineReader } from '../../src/codec/json/line-reader.ts';
import { createJsonWriter } from '../../src/codec/json/writer.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { FlowBatch } from '../../src/flow/batch.ts';
import { FIELDS } from '../../src/flow/fields.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { type CoercionFailures, rowsOf } from '../../src/flow/row.ts';
import type { PipelineConfig } from '../../src/pipeline/options/graph.ts';
import { compilePipeline } from '../../src/pipeline/pipeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { layoutFor } from '../support/flows/layout-for.ts';
import type { Figure } from './figure.ts';
import { pinnedBatches, TUPLES } from './flows.ts';
import { flowsPerCpuSecond, rateFigure } from './rate.ts';

const PIPELINE_PASSES = 5;
const PIPE_BYTES = 64 * 1024;
const AGENT_FIELDS = agentColumns(new Set(['flowRTT', 'dnsTracking'])).map(({ name }) => name);
const NAMES = new Set(['Flags']);
const STDIN_TO_STDOUT: PipelineConfig = {
  pipeline: [{ name: 'out', follows: 'in', whenFull: 'block' }],
  parameters: [
    { name: 'in', ingest: { type: 'stdin' } },
    { name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } },
  ],
};
/** Fields that the default pipeline adds. */
const STAGE_FIELDS = ['SrcService', 'DstService', 'SrcSubnetLabel', 'DstSubnetLabel'];

/** Flows per CPU-second as lines of JSON, beside the obvious way to make the same bytes. */
export async function benchJson(): Promise<readonly Figure[]> {
  const layout = layoutFor([...AGENT_FIELDS, ...STAGE_FIELDS]);
  const batches = pinnedBatches(layout, new TableSpace().current);
  const flows = batches.reduce((sum, batch) => sum + batch.length, 0);
  const writer = createJsonWriter({ names: NAMES });
  let bytes = 0;
  const write = (): number => {
    bytes = 0;
    for (const batch of batches) {
      writer.clear();
      writer.writeBatch(batch);
      bytes += writer.length;
    }
    return flows;
  };
  write();
  const note = `${Math.round(bytes / flows)} bytes per flow`;
  const ours = await rateFigure('JSON lines, writing', undefined, write, note);
  const obvious = await flowsPerCpuSecond(() => {
    for (const batch of batches) {
      const lines = rowsOf(batch, { names: NAMES }).map((row) => `${JSON.stringify(row)}\n`);
      Buffer.from(lines.join(''));
    }
    return flows;
  });
  const name = 'JSON lines, writing, against JSON.stringify of objects';
  return [ours, { name, value: ours.value / obvious, unit: '×' }];
}

/** Lines of JSON to columns. */
export async function benchJsonReading(): Promise<readonly Figure[]> {
  const { current } = new TableSpace();
  const layout = layoutFor(FIELDS.map(({ name }) => name));
  const lines = pinnedLines()
    .split('\n')
    .slice(0, -1)
    .map((line) => Buffer.from(line));
  const batch = new FlowBatch(layout, current);
  const reader = new JsonLineReader();
  const failures: CoercionFailures = new Map();
  const run = (): number => {
    for (const line of lines) {
      if (batch.length === batch.capacity) batch.reset(current);
      reader.read(batch, line, failures);
    }
    return lines.length;
  };
  return [await rateFigure('JSON lines, reading', undefined, run)];
}

/** A pipeline from standard input to standard output, whose bytes are thrown away. */
export async function benchJsonPipeline(): Promise<readonly Figure[]> {
  const text = Buffer.from(pinnedLines());
  const run = async (): Promise<number> => {
    const pipeline = compilePipeline(STDIN_TO_STDOUT, {
      log: createLog('silent'),
      metrics: createMetrics(''),
      clock: systemClock,
      tables: new TableSpace(),
      stdin: Readable.from(pieces(text), { objectMode: true }),
      stdout: new Writable({ write: (_bytes, _encoding, done) => done() }),
    });
    await pipeline.start(new AbortController().signal);
    await pipeline.ended;
    await pipeline.stop();
    const [{ written } = { written: 0 }] = pipeline.branches();
    if (written !== PIPELINE_PASSES * TUPLES) throw new Error(`${written} flows were written`);
    return written;
  };
  return [await rateFigure('JSON lines to JSON lines', 350_000, run)];
}

/** The text, some times, as a pipe gives it. */
function* pieces(text: Buffer): Generator<Buffer> {
  for (let pass = 0; pass < PIPELINE_PASSES; pass++) {
    for (let at = 0; at < text.length; at += PIPE_BYTES) yield text.subarray(at, at + PIPE_BYTES);
  }
}

/** The pinned flows as an agent writes them. */
function pinnedLines(): string {
  const writer = createJsonWriter();
  for (const batch of pinnedBatches(layoutFor(AGENT_FIELDS), new TableSpace().current)) {
    writer.writeBatch(batch);
  }
  return Buffer.from(writer.bytes()).toString();
}

if (import.meta.main) {
  console.log(await benchJson(), await benchJsonReading(), await benchJsonPipeline());
}
