import { expect, test } from 'vitest';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

const FOLLOWS = 'preset-ingester';

const STAGES = {
  pipeline: [
    { name: 'net', follows: FOLLOWS },
    { name: 'keep', follows: 'net' },
    { name: 'p', follows: 'keep' },
  ],
  parameters: [
    {
      name: 'net',
      transform: {
        type: 'network',
        network: {
          rules: [
            {
              type: 'add_subnet',
              add_subnet: { input: 'SrcAddr', output: 'N', subnet_mask: '9' },
            },
            { type: 'reinterpret_direction' },
          ],
          subnetLabels: [{ name: 'a', cidrs: ['ten', '10.0.0.0/8', '10.0.0.0/33'] }],
        },
      },
    },
    {
      name: 'keep',
      transform: {
        type: 'filter',
        filter: {
          // N exists once the mask is right.
          rules: [{ type: 'remove_entry_if_equal', removeEntry: { input: 'N', value: 7 } }],
        },
      },
    },
    {
      name: 'p',
      encode: {
        type: 'prom',
        prom: {
          metrics: [
            { name: 'a-b', type: 'counter', labels: [] },
            { name: 'twice', type: 'counter', labels: ['SrcAddr', 'SrcAddr'] },
          ],
        },
      },
    },
  ],
};

test('all mistakes of stages and rules are reported together, without those that follow from one', () => {
  const network = 'parameters[0].transform.network';
  const metrics = 'parameters[2].encode.prom.metrics';
  expect(() => testPipeline(STAGES as unknown as PipelineConfig)).toThrow(
    expect.objectContaining({
      code: 'ERR_PIPELINE_CIDR',
      details: expect.objectContaining({
        issues: [
          expect.stringContaining(`${network}.subnetLabels[0].cidrs[0]: "ten" is not a CIDR`),
          expect.stringContaining(`${network}.subnetLabels[0].cidrs[2]: "10.0.0.0/33" is not`),
          expect.stringContaining(`${network}.rules[0].add_subnet.subnet_mask: "9" is not a mask`),
          expect.stringContaining(`${network}.rules[1]: reinterpret_direction needs directionInfo`),
          expect.stringContaining(`${metrics}[0].name: `),
          expect.stringContaining(`${metrics}[1].labels[1]: `),
        ],
      }),
    }),
  );
});

test('all mistakes of edges are reported together', () => {
  const edges = {
    pipeline: [
      { name: 'a', follows: 'nowhere' },
      { name: 'b', follows: FOLLOWS },
      { name: 'c', follows: 'b' },
    ],
    parameters: ['a', 'b'].map((name) => ({ name, write: { type: 'none' } })),
  };
  expect(() => testPipeline(edges as unknown as PipelineConfig)).toThrow(
    expect.objectContaining({
      details: expect.objectContaining({
        issues: [
          expect.stringContaining('pipeline[0].follows: no stage "nowhere"'),
          expect.stringContaining('pipeline[2].name: no stage "c"'),
        ],
      }),
    }),
  );
});
