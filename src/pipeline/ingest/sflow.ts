import { sflowColumns } from '../../codec/sflow/columns.ts';
import type {
  SflowOutcome,
  SflowReader,
  SflowReaderOptions,
} from '../../codec/sflow/flow-reader.ts';
import type { Inlet } from '../graph/inlet.ts';
import { SflowOptions } from '../options/ingest/sflow.ts';
import {
  type Source,
  type StageContext,
  type StageType,
  stageType,
  type Transform,
} from '../stage.ts';
import { COALESCE_MS, Datagrams } from './datagrams.ts';
import { ExporterBook } from './exporter-book.ts';
import { ExporterNames } from './exporter-names.ts';
import { ExporterSamplings } from './exporter-samplings.ts';
import { createExporterMetrics, type ExporterMetrics } from './exporters.ts';
import { createInterfaceMetrics, Interfaces } from './interfaces.ts';
import { KafkaInput } from './kafka-input.ts';
import { createSflowMetrics, SflowCounts } from './sflow-metrics.ts';

/** Flows from switches: sFlow by UDP. */
export const sflowIngest: StageType = stageType({
  section: 'ingest',
  type: 'sflow',
  schema: SflowOptions,
  create: (options, context) => new SflowSource(options, context),
});

class SflowSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns = sflowColumns();
  readonly transforms: readonly Transform[];
  readonly coalesceMs = COALESCE_MS;
  readonly #options: SflowOptions;
  readonly #context: StageContext;
  readonly #metrics: ExporterMetrics;
  /** Undefined: datagrams come by UDP. */
  readonly #input: KafkaInput | undefined;
  readonly #book: ExporterBook;
  readonly #samplings: ExporterSamplings;
  readonly #counts: SflowCounts;
  readonly #interfaces: Interfaces;
  #datagrams: Datagrams<SflowOutcome, SflowReader> | undefined;

  constructor(options: SflowOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    const { kafka } = options;
    this.#input = kafka && new KafkaInput(kafka, `${context.path}.kafka`, context);
    const { metrics } = context.deps;
    this.#book = new ExporterBook(options, context);
    this.#samplings = new ExporterSamplings(this.#book, options, context.deps.random);
    this.transforms = [new ExporterNames(this.#book)];
    this.#metrics = createExporterMetrics(metrics);
    this.#counts = new SflowCounts(this.name, createSflowMetrics(metrics));
    this.#interfaces = new Interfaces(this.name, createInterfaceMetrics(metrics));
  }

  async start(inlet: Inlet): Promise<void> {
    const { port, samplingCorrection } = this.#options;
    const { clock } = this.#context.deps;
    // Here and not at the top: pipelines without it load nothing.
    const { SflowReader: Made } = await import('../../codec/sflow/flow-reader.ts');
    const options: SflowReaderOptions = {
      corrects: samplingCorrection,
      samplingOf: (exporter, nowMs) => this.#samplings.of(exporter, nowMs),
      takeCounters: (agent, counters) =>
        this.#interfaces.note(agent, counters, clock.monotonicMs()),
    };
    this.#datagrams = new Datagrams(inlet, this.#context, this.#metrics, {
      reader: (layout, earlier) => new Made(layout, options, earlier),
      roomRows: 1,
      note: (outcome) => this.#counts.note(outcome),
      count: () => {
        this.#counts.flush();
        this.#interfaces.sweep(clock.monotonicMs());
        this.#samplings.sweep(clock.monotonicMs());
        this.#book.look();
      },
    });
    if (this.#input !== undefined) await this.#datagrams.read(this.#input);
    else await this.#datagrams.receive({ ...this.#options, ports: [port] });
  }

  trouble(): string | undefined {
    return this.#input?.trouble();
  }

  async stop(): Promise<void> {
    await this.#datagrams?.stop();
  }

  async close(): Promise<void> {
    await this.#input?.close();
  }
}
