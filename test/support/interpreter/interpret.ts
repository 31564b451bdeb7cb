import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { type Metric, observe, type Samples } from './prom.ts';
import type { Row } from './rows.ts';
import { filterStage, networkStage } from './stages.ts';

export interface Outcome {
  /** Rows that reach each sink, in order. */
  readonly rows: ReadonlyMap<string, readonly Row[]>;
  /** Samples of all prom stages together. */
  readonly samples: Samples;
}

interface Section {
  readonly type: string;
  readonly [type: string]: unknown;
}

/** Runs rows through a configuration by the meaning of its stages, one row at a time. */
export function interpret(
  config: PipelineConfig,
  rows: readonly Row[],
  files: { readonly services: string; readonly protocols: string },
): Outcome {
  const arrived = new Map<string, Row[]>();
  const samples: Samples = new Map();
  const walk = (name: string, row: Row): void => {
    const parameters = config.parameters.find((one) => one.name === name)!;
    if (parameters.transform !== undefined) {
      const section = parameters.transform as Section;
      const options = section[section.type] as never;
      const stage =
        section.type === 'network' ? networkStage(options, files) : filterStage(options);
      const next = stage(row);
      if (next !== undefined) forward(name, next);
      return;
    }
    arrived.get(name)!.push(row);
    const encode = parameters.encode as Section | undefined;
    const prom = encode?.prom as { prefix?: string; metrics: readonly Metric[] } | undefined;
    for (const metric of prom?.metrics ?? []) observe(samples, prom?.prefix ?? '', metric, row);
  };
  const forward = (name: string, row: Row): void => {
    for (const edge of config.pipeline) if (edge.follows === name) walk(edge.name, row);
  };
  for (const { name, transform } of config.parameters) {
    if (transform === undefined) arrived.set(name, []);
  }
  for (const row of rows) forward('preset-ingester', row);
  return { rows: arrived, samples };
}
