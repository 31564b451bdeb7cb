import { expect, test } from 'vitest';
import { AGENTS_MAX, SOURCES_MAX } from '../../../../src/codec/sflow/agents.ts';
import { sflowColumns } from '../../../../src/codec/sflow/columns.ts';
import { SflowReader } from '../../../../src/codec/sflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { mutate, randomFrom } from '../../../support/codec/mutations.ts';
import { SFLOW_SAMPLES } from '../../../support/codec/sflow-samples.ts';

const INPUTS = 1_000_000;

test('a million datagrams that nobody would send: nothing is thrown, and nothing grows', () => {
  const random = randomFrom(13);
  const layout = new BatchLayout(sflowColumns());
  const tables = new TableSpace(20_000);
  const batch = new FlowBatch(layout, tables.current, 16);
  const reader = new SflowReader(layout, { corrects: true });
  const room = (): FlowBatch => {
    if (batch.length < batch.capacity) return batch;
    tables.rotateIfFull();
    batch.reset(tables.current);
    return batch;
  };
  const input = new Uint8Array(Math.max(...SFLOW_SAMPLES.map(({ length }) => length)));
  const codes = new Set<string>();
  let most = 0;
  let read = 0;
  for (let i = 0; i < INPUTS; i++) {
    let length = mutate(SFLOW_SAMPLES[i % SFLOW_SAMPLES.length]!, input, 0, random);
    if (i % 8 === 0) for (length = 0; length < random() % 160; length++) input[length] = random();
    const source = { address: `192.0.2.${i & 7}`, port: 1 };
    const bytes = input.subarray(0, length);
    const { problem, flows } = reader.read(bytes, source, 0, i / 10, room);
    if (problem !== undefined) codes.add(problem.code);
    most = Math.max(most, flows / (length + 1));
    if (flows > 0) read++;
  }
  expect(read).toBeGreaterThan(100_000);
  // A sample has at least 40 octets.
  expect(most).toBeLessThanOrEqual(1 / 40);
  const all = ['VERSION', 'TRUNCATED', 'ADDRESS', 'LIMIT'];
  expect([...codes].sort()).toEqual(all.map((code) => `ERR_CODEC_SFLOW_${code}`).sort());
  expect(reader.sizes.agents).toBeLessThanOrEqual(AGENTS_MAX);
  expect(reader.sizes.sources).toBeLessThanOrEqual(SOURCES_MAX);
}, 120_000);
