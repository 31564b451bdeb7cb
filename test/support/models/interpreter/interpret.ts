import type { PipelineConfig } from '../../../../src/pipeline/options/graph.ts';
import { filterStage } from './filter.ts';
import { type Metric, observe, type Samples } from './prom.ts';
import type { Row } from './rows.ts';
import { type Files, genericStage, networkStage, type RowStage } from './stages.ts';

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

const TRANSFORMS: Readonly<Record<string, (options: never, files: Files) => RowStage>> = {
  network: networkStage,
  filter: filterStage,
  generic: genericStage,
};

/** Options of the source of the tests. */
interface RowsOptions {
  readonly batches: readonly (readonly Row[])[];
  readonly coalesceMs?: number;
}

/**
 * Runs rows through a configuration by the meaning of its stages, one row at a time. `rows` come
 * from the in-process source; sources among the stages have their own. An extractor emits its rows
 * when all of its input has arrived.
 */
export function interpret(config: PipelineConfig, rows: readonly Row[], files: Files): Outcome {
  const arrived = new Map<string, Row[]>();
  const samples: Samples = new Map();
  const walk = (name: string, row: Row): void => {
    const parameters = config.parameters.find((one) => one.name === name)!;
    if (parameters.transform !== undefined) {
      const section = parameters.transform as Section;
      const options = section[section.type] as never;
      const next = TRANSFORMS[section.type]!(options, files)(row);
      if (next !== undefined) forward(name, next);
      return;
    }
    arrived.get(name)!.push(row);
    if (parameters.extract !== undefined) return;
    const encode = parameters.encode as Section | undefined;
    const prom = encode?.prom as { prefix?: string; metrics: readonly Metric[] } | undefined;
    for (const metric of prom?.metrics ?? []) observe(samples, prom?.prefix ?? '', metric, row);
  };
  const forward = (name: string, row: Row): void => {
    for (const edge of config.pipeline) if (edge.follows === name) walk(edge.name, row);
  };
  for (const { name, transform, ingest } of config.parameters) {
    if (transform === undefined && ingest === undefined) arrived.set(name, []);
  }
  const emit = (isLate: boolean): void => {
    for (const { name, ingest } of config.parameters) {
      const source = (ingest as Section | undefined)?.rows as RowsOptions | undefined;
      if (source === undefined || (source.coalesceMs !== undefined) !== isLate) continue;
      for (const row of source.batches.flat()) forward(name, row);
    }
  };
  emit(false);
  for (const row of rows) forward('preset-ingester', row);
  // Rows that wait for others come last.
  emit(true);
  for (const { name, extract } of config.parameters) {
    if (extract !== undefined) for (const row of sums(arrived.get(name)!)) forward(name, row);
  }
  return { rows: arrived, samples };
}

/** The extractor of the tests: sums of `Bytes` by protocol. */
function sums(rows: readonly Row[]): readonly Row[] {
  const protocols = new Set(rows.flatMap(({ Proto }) => (Proto === undefined ? [] : [Proto])));
  return [...protocols].map((Proto) => {
    const own = rows.filter((row) => row.Proto === Proto);
    return { Proto, Bytes: own.reduce((sum, { Bytes = 0 }) => sum + Number(Bytes), 0) };
  });
}
