import { type ReadElement, type ReadForm, readColumns } from '../../codec/netflow/elements-read.ts';
import { FlowReader, ROOM_MIN_ROWS } from '../../codec/netflow/flow-reader.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import { fieldByName } from '../../flow/fields.ts';
import type { UdpPeer, UdpReceiver } from '../../net/udp/receiver.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import { CollectorOptions } from '../options/ingest/collector.ts';
import { IpfixOptions } from '../options/ingest/ipfix.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';
import { createExporterMetrics, type ExporterMetrics, Exporters } from './exporters.ts';

const DEFAULT_PORT = 2055;
/** How long the flows of few datagrams wait for others, milliseconds. */
const COALESCE_MS = 20;
/** Between two looks at the kernel's counters, milliseconds. */
const COUNT_PERIOD_MS = 5000;

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
  readonly coalesceMs = COALESCE_MS;
  readonly #options: IpfixOptions;
  readonly #context: StageContext;
  readonly #own: readonly ReadElement[];
  readonly #metrics: ExporterMetrics;
  readonly #exporters: Exporters;
  #receivers: readonly UdpReceiver[] = [];
  #reader: FlowReader | undefined;
  #batch: FlowBatch | undefined;
  #willFlush = false;
  #timer: Disposable | undefined;
  #kernelDrops = 0;
  #expired = 0;
  #hasWarned = false;

  constructor(options: IpfixOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    const mapped = options.mapping.map((one, index) =>
      mappedElement(one, `${context.path}.mapping[${index}]`),
    );
    this.#own = mapped.map(({ element }) => element);
    this.columns = columnsOf(mapped.map(({ column }) => column));
    this.#metrics = createExporterMetrics(context.deps.metrics);
    this.#exporters = new Exporters(this.name, this.#metrics);
  }

  async start(inlet: Inlet): Promise<void> {
    const { hostName, sockets, receiveBufferBytes, samplingCorrection } = this.#options;
    const { clock, log } = this.#context.deps;
    this.#reader = new FlowReader(inlet.layout, this.#own, { corrects: samplingCorrection });
    // Here and not at the top: pipelines of agents do without it.
    const { UdpReceiver: Made } = await import('../../net/udp/receiver.ts');
    const deps = {
      log: log.child({ component: 'pipeline', stage: this.name }),
      take: (bytes: Uint8Array, peer: UdpPeer) => this.#take(bytes, peer, inlet),
    };
    const host = hostName === '' ? '0.0.0.0' : hostName;
    this.#receivers = this.#ports().map(
      (port) => new Made({ host, port, sockets, bufferBytes: receiveBufferBytes }, deps),
    );
    try {
      for (const receiver of this.#receivers) await receiver.start();
    } catch (error) {
      for (const receiver of this.#receivers) receiver.stop();
      throw error;
    }
    this.#timer = clock.every(COUNT_PERIOD_MS, () => this.#count());
  }

  async stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    if (this.#receivers.length > 0) this.#count();
    for (const receiver of this.#receivers) receiver.stop();
    this.#receivers = [];
    this.#flush?.();
  }

  #ports(): readonly number[] {
    const ports = [this.#options.port, this.#options.portLegacy].filter((port) => port !== 0);
    return ports.length === 0 ? [DEFAULT_PORT] : [...new Set(ports)];
  }

  /** Passes on the flows read so far; set while there are any. */
  #flush: (() => void) | undefined;

  #take(bytes: Uint8Array, peer: UdpPeer, inlet: Inlet): void {
    const { clock } = this.#context.deps;
    // A datagram cannot wait. Its templates are read in any case, since they come rarely.
    const isFull = inlet.whenReady() !== undefined;
    const outcome = this.#reader!.read(bytes, peer, clock.nowMs(), clock.monotonicMs(), () =>
      isFull ? undefined : this.#room(inlet),
    );
    this.#exporters.count(peer.address, outcome);
    if (outcome.lost > 0) this.#metrics.lost.inc({ stage: this.name, reason: 'full' });
    if (outcome.problem === undefined) return;
    this.#context.counts.ingestError('decode', outcome.problem.code);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#context.deps.log.warn(
      {
        ...{ component: 'pipeline', stage: this.name, exporter: peer.address },
        error: outcome.problem.meaning,
      },
      'a datagram is not read to its end, and so are others like it; ingest_errors counts them',
    );
  }

  /** The batch to fill; all datagrams of one turn of the event loop share it. */
  #room(inlet: Inlet): FlowBatch {
    const open = this.#batch;
    if (open !== undefined && open.capacity - open.length >= ROOM_MIN_ROWS) return open;
    this.#emit(inlet);
    const batch = inlet.take();
    this.#batch = batch;
    if (!this.#willFlush) {
      this.#willFlush = true;
      this.#flush = () => this.#emit(inlet);
      setImmediate(() => {
        this.#willFlush = false;
        this.#emit(inlet);
      });
    }
    return batch;
  }

  #emit(inlet: Inlet): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch === undefined) return;
    if (batch.length === 0) {
      inlet.recycle(batch);
      return;
    }
    this.#context.counts.ingested(batch.length);
    inlet.emit(batch);
  }

  #count(): void {
    const stage = this.name;
    this.#exporters.flush();
    this.#reader?.takeMisfits((field, values) => this.#context.counts.unconverted(field, values));
    const { templates, expired } = this.#reader!.sizes;
    this.#metrics.templates.set({ stage }, templates);
    this.#metrics.expired.inc({ stage }, expired - this.#expired);
    this.#expired = expired;
    let drops = 0;
    for (const receiver of this.#receivers) drops += receiver.kernelDrops();
    if (drops > this.#kernelDrops) {
      this.#metrics.lost.inc({ stage, reason: 'kernel' }, drops - this.#kernelDrops);
    }
    this.#kernelDrops = drops;
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
