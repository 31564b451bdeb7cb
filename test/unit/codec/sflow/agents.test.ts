import { describe, expect, test } from 'vitest';
import { LIFETIME_MS } from '../../../../src/codec/exporters/session.ts';
import { AGENT_SOURCES_MAX, AGENTS_MAX, SOURCES_MAX } from '../../../../src/codec/sflow/agents.ts';
import {
  expandedSample,
  flowSample,
  rawHeader,
  type SflowHeader,
  sflow,
  testSflow,
  words,
} from '../../../support/codec/sflow-bytes.ts';

const RECORD = rawHeader(words(1, 2));

describe('sequence numbers', () => {
  const bed = () => {
    const { read } = testSflow();
    return (header: SflowHeader, address?: string) =>
      read(sflow(header), address === undefined ? {} : { address }).missing;
  };

  test('what is missing before a datagram', () => {
    const missing = bed();
    expect([10, 11, 15, 16].map((sequence) => missing({ sequence }))).toEqual([0, 0, 3, 0]);
  });

  test('a late datagram is not a gap, and does not make one', () => {
    const missing = bed();
    expect([10, 12, 11, 13].map((sequence) => missing({ sequence }))).toEqual([0, 1, 0, 0]);
  });

  test('begin again from 0 after 2^32', () => {
    const missing = bed();
    const sequences = [0xffff_fffe, 0xffff_ffff, 0, 2];
    expect(sequences.map((sequence) => missing({ sequence }))).toEqual([0, 0, 0, 1]);
  });

  test('belong to a sub-agent, an agent, and the address that the datagram came from', () => {
    const missing = bed();
    expect(missing({ sequence: 10 })).toBe(0);
    expect(missing({ sequence: 20, subAgent: 1 })).toBe(0);
    expect(missing({ sequence: 30, agent: '192.0.2.98' })).toBe(0);
    expect(missing({ sequence: 40 }, '192.0.2.2')).toBe(0);
    expect(missing({ sequence: 12 })).toBe(1);
  });

  test('an agent that started again counts anew', () => {
    const missing = bed();
    expect(missing({ sequence: 10_000, uptimeMs: 900_000 })).toBe(0);
    expect(missing({ sequence: 1, uptimeMs: 100 })).toBe(0);
    expect(missing({ sequence: 3, uptimeMs: 200 })).toBe(1);
  });
});

describe('lost samples', () => {
  const bed = () => {
    const { read } = testSflow();
    let sequence = 0;
    return (drops: number, source: readonly [number, number] = [0, 3], uptimeMs = 90_000) => {
      sequence++;
      const sample = flowSample({ drops, source }, RECORD);
      return read(sflow({ sequence, uptimeMs }, sample)).lostSamples;
    };
  };

  test('are counted from the first report on', () => {
    const lost = bed();
    expect([1000, 1000, 1007, 1010].map((drops) => lost(drops))).toEqual([0, 0, 7, 3]);
  });

  test('belong to a data source', () => {
    const lost = bed();
    expect([lost(5), lost(100, [0, 4]), lost(7, [1, 3]), lost(6)]).toEqual([0, 0, 0, 1]);
  });

  test('after a new start, and after 2^32', () => {
    const lost = bed();
    expect([lost(0xffff_fffe), lost(1)]).toEqual([0, 3]);
    expect([lost(1, [0, 3], 10), lost(2, [0, 3], 20)]).toEqual([0, 1]);
  });

  test('in a late datagram are older, and not counted', () => {
    const { read } = testSflow();
    const at = (sequence: number, drops: number) =>
      read(sflow({ sequence }, expandedSample({ drops }, RECORD))).lostSamples;
    expect([at(1, 10), at(3, 30), at(2, 20), at(4, 40)]).toEqual([0, 20, 0, 10]);
  });
});

describe('bounds', () => {
  test('a new agent finds no room, but its flows are read, until others expire', () => {
    const { read, reader } = testSflow();
    const sample = flowSample({}, RECORD);
    for (let subAgent = 0; subAgent < AGENTS_MAX; subAgent++) read(sflow({ subAgent }));
    const refused = read(sflow({ subAgent: AGENTS_MAX }, sample));
    expect(refused.problem?.code).toBe('ERR_CODEC_SFLOW_LIMIT');
    expect(refused.flows).toBe(1);
    expect(read(sflow({ subAgent: 7, sequence: 9 })).missing).toBe(7);
    expect(reader.sizes.agents).toBe(AGENTS_MAX);
    const nowMs = LIFETIME_MS + 1;
    expect(read(sflow({ subAgent: AGENTS_MAX }, sample), { nowMs }).problem).toBeUndefined();
    expect(reader.sizes).toEqual({ agents: 1, sources: 1 });
  });

  test('data sources of one agent, and of all', () => {
    const { read, reader } = testSflow();
    const samples = (from: number, count: number): Buffer[] =>
      Array.from({ length: count }, (_, at) => flowSample({ source: [0, from + at] }));
    const fill = (subAgent: number) => {
      let problem: string | undefined;
      for (let from = 0; from < AGENT_SOURCES_MAX + 1; from += 1000) {
        const sequence = from / 1000;
        const count = Math.min(1000, AGENT_SOURCES_MAX + 1 - from);
        problem = read(sflow({ subAgent, sequence }, ...samples(from, count))).problem?.code;
      }
      return problem;
    };
    expect(fill(0)).toBe('ERR_CODEC_SFLOW_LIMIT');
    expect(reader.sizes.sources).toBe(AGENT_SOURCES_MAX);
    for (let subAgent = 1; subAgent <= SOURCES_MAX / AGENT_SOURCES_MAX; subAgent++) fill(subAgent);
    expect(reader.sizes.sources).toBe(SOURCES_MAX);
    // A new start makes room.
    read(sflow({ subAgent: 0, sequence: 5, uptimeMs: 2 ** 31 }));
    read(sflow({ subAgent: 0, sequence: 6, uptimeMs: 0 }));
    expect(reader.sizes.sources).toBeLessThanOrEqual(SOURCES_MAX);
  });
});
