import type { DatagramOutcome } from '../../codec/exporters/datagram.ts';
import { type ReadElement, type ReadForm, readColumns } from '../../codec/netflow/elements-read.ts';
import {
  FlowReader,
  type FlowReaderOptions,
  ROOM_MIN_ROWS,
} from '../../codec/netflow/flow-reader.ts';
import type { ColumnSpec } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import { fieldByName } from '../../flow/fields.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import { CollectorOptions } from '../options/ingest/collector.ts';
import { IpfixOptions } from '../options/ingest/ipfix.ts';
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
import { KafkaInput } from './kafka-input.ts';
import { createLearntMetrics, LearntInterfaces } from './learnt-interfaces.ts';
import { TemplateFile } from './template-file.ts';

const DEFAULT_PORT = 2055;

type Mapping = IpfixOptions['mapping'][number];

const NEW_KINDS: Readonly<Record<Mapping['type'], FieldKind>> = {
  ...{ number: 'f64', text: 'str', bytes: 'str', address: 'addr', mac: 'mac' },
};
const BYTES_FIELD = /^CustomBytes_\d$/;

/** Flows from routers: NetFlow and IPFIX by UDP. */
export const ipfixIngest: StageType = stageType({
  section: 'ingest',
  type: 'ipfix',
  schema: IpfixOptions,
  create: (options, context) => new IpfixSource(options, context),
});

/** The same under its older name. */
export const collectorIngest: StageType = stageType({
  section: 'ingest',
  type: 'collector',
  schema: CollectorOptions,
  create: (options, context) => new IpfixSource(options, context),
});

class IpfixSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns: readonly ColumnSpec[];
  readonly transforms: readonly Transform[];
  readonly coalesceMs = COALESCE_MS;
  readonly #options: IpfixOptions;
  readonly #context: StageContext;
  readonly #own: readonly ReadElement[];
  readonly #metrics: ExporterMetrics;
  /** Undefined: datagrams come by UDP. */
  readonly #input: KafkaInput | undefined;
  readonly #book: ExporterBook;
  readonly #samplings: ExporterSamplings;
  readonly #learnt: LearntInterfaces;
  readonly #file: TemplateFile | undefined;
  #datagrams: Datagrams<DatagramOutcome, FlowReader> | undefined;
  #expired = 0;

  constructor(options: IpfixOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    const mapped = options.mapping.map((one, index) =>
      mappedElement(one, `${context.path}.mapping[${index}]`),
    );
    this.#own = mapped.map(({ element }) => element);
    this.columns = columnsOf(mapped.map(({ column }) => column));
    const { kafka } = options;
    this.#input = kafka && new KafkaInput(kafka, `${context.path}.kafka`, context);
    const { metrics } = context.deps;
    this.#metrics = createExporterMetrics(metrics);
    this.#learnt = new LearntInterfaces(this.name, createLearntMetrics(metrics));
    this.#book = new ExporterBook(options, context);
    this.#samplings = new ExporterSamplings(this.#book, options, context.deps.random);
    this.transforms = [new ExporterNames(this.#book, this.#learnt)];
    const { templateFolder } = options;
    if (templateFolder !== '') this.#file = new TemplateFile(templateFolder, context);
  }

  async start(inlet: Inlet): Promise<void> {
    const { samplingCorrection } = this.#options;
    const { clock } = this.#context.deps;
    const options: FlowReaderOptions = {
      corrects: samplingCorrection,
      samplingOf: (exporter, nowMs) => this.#samplings.of(exporter, nowMs),
      takeInterface: (exporter, index, name, description) =>
        this.#learnt.note(exporter, index, name, description, clock.monotonicMs()),
    };
    await this.#file?.load();
    this.#datagrams = new Datagrams(inlet, this.#context, this.#metrics, {
      reader: (layout, earlier) => {
        const reader = new FlowReader(layout, this.#own, options, earlier);
        this.#file?.serve(reader);
        return reader;
      },
      roomRows: ROOM_MIN_ROWS,
      count: (reader) => this.#count(reader),
    });
    if (this.#input !== undefined) await this.#datagrams.read(this.#input);
    else await this.#datagrams.receive({ ...this.#options, ports: this.#ports() });
  }

  trouble(): string | undefined {
    return this.#input?.trouble();
  }

  async stop(): Promise<void> {
    await this.#datagrams?.stop();
    await this.#file?.close();
  }

  async close(): Promise<void> {
    await this.#input?.close();
  }

  #ports(): readonly number[] {
    const ports = [this.#options.port, this.#options.portLegacy].filter((port) => port !== 0);
    return ports.length === 0 ? [DEFAULT_PORT] : [...new Set(ports)];
  }

  #count({ sizes: { templates, expired } }: FlowReader): void {
    const stage = this.name;
    this.#metrics.templates.set({ stage }, templates);
    this.#metrics.expired.inc({ stage }, expired - this.#expired);
    this.#expired = expired;
    const nowMs = this.#context.deps.clock.monotonicMs();
    this.#learnt.sweep(nowMs);
    this.#samplings.sweep(nowMs);
    this.#book.look();
    this.#file?.save();
  }
}

/** The columns of the datagrams, and the new keys of the mapping. */
function columnsOf(mapped: readonly ColumnSpec[]): readonly ColumnSpec[] {
  const columns = [...readColumns(), ...mapped].map((column) => [column.name, column] as const);
  return [...new Map(columns).values()];
}

function mappedElement(
  { penprovided, field, pen, destination, endianness, type }: Mapping,
  path: string,
): { readonly element: ReadElement; readonly column: ColumnSpec } {
  const known = fieldByName(destination);
  const kind = known?.kind ?? NEW_KINDS[type];
  if (kind === 'any' || kind.startsWith('list')) {
    const problem = `${destination} is a list, which no element fills: use another field`;
    throw configError(PIPELINE_ERRORS.fieldKind, `${path}.destination`, problem);
  }
  const isBytes = known === undefined ? type === 'bytes' : BYTES_FIELD.test(destination);
  let form: ReadForm = 'value';
  if (kind === 'str' && isBytes) form = 'base64';
  else if (endianness === 'little') form = 'little-endian';
  const target = { column: destination, form };
  return {
    element: { enterprise: penprovided ? pen : 0, id: field, target },
    column: { name: destination, kind },
  };
}
