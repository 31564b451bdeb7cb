import type { ErrorRow } from '../../base/errors.ts';
import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import {
  clearOutcome,
  type DatagramOutcome,
  type DatagramSource,
  emptyOutcome,
} from '../exporters/datagram.ts';
import type { SamplingOf } from '../exporters/flow-limit.ts';
import { hasRestarted, LATE, missingBefore, UNKNOWN_SEQUENCE } from '../exporters/session.ts';
import { type ReadElement, ReadTable } from './elements-read.ts';
import { NETFLOW_ERRORS } from './errors.ts';
import { type DatagramFacts, FlowFiller } from './flow-filler.ts';
import { InterfaceNames, type TakeInterface } from './interface-names.ts';
import { IPFIX_VERSION, MESSAGE_HEADER_BYTES } from './ipfix-message.ts';
import { type Plan, planOf } from './plan.ts';
import { Records, RUN_RECORDS } from './records.ts';
import { rateIn } from './sampling.ts';
import {
  restoreDomains,
  type SavedDomain,
  type SavingTimes,
  saveDomains,
} from './saved-templates.ts';
import { DATA_SET_MIN, SETS, TemplateSets, type TemplateVersion } from './template-sets.ts';
import { type Domain, Domains, type OptionsPlan, type Template } from './templates.ts';
import { V5_FIELDS, V5_HEADER_BYTES, V5_RECORD_BYTES, V5_SAMPLING_MASK } from './v5.ts';

const V9_HEADER_BYTES = 20;
const SET_HEADER_BYTES = 4;
const MS_PER_S = 1000;
const MS_PER_NS = 1e-6;

/** Rows that a batch has room for when it is given to the reader: both flows of a biflow. */
export const ROOM_MIN_ROWS = 2;

export interface FlowReaderOptions {
  /** Bytes and packets are multiplied by the sampling rate. */
  readonly corrects?: boolean;
  /** Absent: names of interfaces are passed over. */
  readonly takeInterface?: TakeInterface;
  readonly samplingOf?: SamplingOf;
}

/**
 * Reads datagrams of NetFlow 5, NetFlow 9 and IPFIX into batches.
 *
 * Templates, sampling rates and sequence numbers belong to an observation domain of an exporter. An
 * exporter is an address (RFC 3954, section 5.1) and, for IPFIX, a port (RFC 7011, section 8: a
 * session). Any bytes are read within their bounds; nothing is thrown.
 */
export class FlowReader {
  readonly outcome = emptyOutcome('flows');
  readonly #domains: Domains;
  readonly #records = new Records();
  readonly #filler: FlowFiller;
  readonly #templates: TemplateSets;
  readonly #names: InterfaceNames | undefined;
  readonly #samplingOf: SamplingOf | undefined;
  readonly #v5: Plan;
  readonly #facts: DatagramFacts = {
    ...{ type: '', sequence: 0, domainId: 0, exporter: '', sampling: undefined },
    ...{ receivedMs: 0, exportMs: 0, uptimeMs: Number.NaN },
  };
  /** Data records of the datagram; NaN: unknown. */
  #recordCount = 0;

  /** `earlier`: the reader that this one replaces, which is not used any more. */
  constructor(
    layout: BatchLayout,
    own: readonly ReadElement[] = [],
    { corrects = false, takeInterface, samplingOf }: FlowReaderOptions = {},
    earlier?: FlowReader,
  ) {
    this.#domains = earlier === undefined ? new Domains() : earlier.#domains;
    this.#names = takeInterface && new InterfaceNames(takeInterface);
    this.#samplingOf = samplingOf;
    const table = new ReadTable(own);
    this.#filler = new FlowFiller(layout, corrects);
    this.#templates = new TemplateSets(this.#domains, layout, table);
    this.#v5 = planOf(V5_FIELDS, layout, table);
    for (const [key, domain] of this.#domains.entries()) {
      const isNetflow9 = key.startsWith('9/');
      this.#templates.recompile(domain, isNetflow9 ? 9 : 10);
    }
  }

  /** Templates that are known, and domains. */
  get sizes(): { readonly templates: number; readonly domains: number; readonly expired: number } {
    const { templates, size, expired } = this.#domains;
    return { templates, domains: size, expired };
  }

  /** Grows with each change of what `save` returns, ages of templates excepted. */
  get changes(): number {
    return this.#domains.changes;
  }

  /** Templates and what belongs to them, for a file. */
  save(times: SavingTimes): readonly SavedDomain[] {
    return saveDomains(this.#domains, times);
  }

  /** Adds what was saved before a restart; returns the number of parts that are wrong. */
  restore(saved: readonly SavedDomain[], times: SavingTimes): number {
    return restoreDomains(saved, this.#domains, this.#templates, times);
  }

  /** Reports the values that did not fit the kind of their field, since the last call. */
  takeMisfits(report: (field: string, values: number) => void): void {
    this.#filler.takeMisfits(report);
  }

  /**
   * Reads a datagram. `room` gives the batch to fill, with room for `ROOM_MIN_ROWS`; undefined: no
   * flows are wanted now, but templates are still read.
   *
   * `receivedMs` is the wall clock; `nowMs` is monotonic.
   */
  read(
    bytes: Uint8Array,
    source: DatagramSource,
    receivedMs: number,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): DatagramOutcome {
    const { outcome } = this;
    clearOutcome(outcome);
    this.#records.open(bytes);
    this.#recordCount = 0;
    this.#facts.exporter = source.address;
    this.#facts.sampling = this.#samplingOf?.(source.address, nowMs);
    this.#facts.sampling?.limit?.begin(nowMs);
    this.#facts.receivedMs = receivedMs;
    outcome.problem = this.#datagram(bytes.length, source, nowMs, room);
    return outcome;
  }

  #datagram(
    length: number,
    source: DatagramSource,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    const { view } = this.#records;
    const version = length < 2 ? 0 : view.getUint16(0);
    switch (version) {
      case 5:
        return this.#version5(length, source, nowMs, room);
      case 9:
        if (length < V9_HEADER_BYTES) return NETFLOW_ERRORS.truncated;
        this.#setFacts('NETFLOW_V9', view.getUint32(12), view.getUint32(16), view.getUint32(8));
        this.#facts.uptimeMs = view.getUint32(4);
        return this.#sets(9, V9_HEADER_BYTES, length, source, nowMs, room);
      case IPFIX_VERSION: {
        if (length < MESSAGE_HEADER_BYTES) return NETFLOW_ERRORS.truncated;
        const end = view.getUint16(2);
        if (end > length || end < MESSAGE_HEADER_BYTES) return NETFLOW_ERRORS.truncated;
        this.#setFacts('IPFIX', view.getUint32(8), view.getUint32(12), view.getUint32(4));
        this.#facts.uptimeMs = Number.NaN;
        return this.#sets(10, MESSAGE_HEADER_BYTES, end, source, nowMs, room);
      }
      default:
        return NETFLOW_ERRORS.version;
    }
  }

  #setFacts(type: string, sequence: number, domainId: number, exportS: number): void {
    const facts = this.#facts;
    facts.type = type;
    facts.sequence = sequence;
    facts.domainId = domainId;
    facts.exportMs = exportS * MS_PER_S;
  }

  #version5(
    length: number,
    source: DatagramSource,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    const { view } = this.#records;
    if (length < V5_HEADER_BYTES) return NETFLOW_ERRORS.truncated;
    const end = V5_HEADER_BYTES + view.getUint16(2) * V5_RECORD_BYTES;
    if (end > length) return NETFLOW_ERRORS.truncated;
    const engine = view.getUint16(20);
    this.#setFacts('NETFLOW_V5', view.getUint32(16), engine, view.getUint32(8));
    this.#facts.exportMs += Math.floor(view.getUint32(12) * MS_PER_NS);
    this.#facts.uptimeMs = view.getUint32(4);
    const domain = this.#domains.of(`5/${source.address}/${engine}`, nowMs);
    if (domain === undefined) return NETFLOW_ERRORS.limit;
    this.#noteUptime(domain);
    domain.sampling.all = view.getUint16(22) & V5_SAMPLING_MASK;
    const isLate = this.#noteSequence(domain, 'flows');
    const problem = this.#data(this.#v5, domain, V5_HEADER_BYTES, end, room);
    if (!isLate) domain.nextSequence = (this.#facts.sequence + this.#recordCount) >>> 0;
    return problem;
  }

  #sets(
    version: TemplateVersion,
    start: number,
    end: number,
    source: DatagramSource,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    const { sequence, domainId } = this.#facts;
    const port = version === 10 ? source.port : 0;
    const domain = this.#domains.of(`${version}/${source.address}/${port}/${domainId}`, nowMs);
    if (domain === undefined) return NETFLOW_ERRORS.limit;
    if (version === 9) this.#noteUptime(domain);
    const isLate = this.#noteSequence(domain, version === 9 ? 'datagrams' : 'flows');
    const problem = this.#eachSet(version, start, end, domain, nowMs, room);
    if (isLate) return problem;
    const units = version === 9 ? 1 : this.#recordCount;
    const isKnown = version === 9 || (problem === undefined && !Number.isNaN(units));
    domain.nextSequence = isKnown ? (sequence + units) >>> 0 : UNKNOWN_SEQUENCE;
    return problem;
  }

  #eachSet(
    version: TemplateVersion,
    start: number,
    end: number,
    domain: Domain,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    const { view } = this.#records;
    const { templates, options } = SETS[version];
    let first: ErrorRow | undefined;
    for (let at = start; end - at >= SET_HEADER_BYTES; ) {
      const id = view.getUint16(at);
      const setEnd = at + view.getUint16(at + 2);
      if (setEnd > end || setEnd < at + SET_HEADER_BYTES) return first ?? NETFLOW_ERRORS.truncated;
      const body = at + SET_HEADER_BYTES;
      let problem: ErrorRow | undefined;
      if (id === templates || id === options) {
        const set = { version, isOptions: id === options };
        problem = this.#templates.read(view, body, setEnd, set, domain, nowMs);
      } else if (id >= DATA_SET_MIN) {
        problem = this.#dataSet(domain.templates.get(id), domain, body, setEnd, room);
      }
      first ??= problem;
      at = setEnd;
    }
    return first;
  }

  #dataSet(
    template: Template | undefined,
    domain: Domain,
    at: number,
    end: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    if (template?.flows !== undefined) return this.#data(template.flows, domain, at, end, room);
    if (template?.options !== undefined) return this.#options(template.options, domain, at, end);
    this.outcome.unknownSets++;
    this.#recordCount = Number.NaN;
    return undefined;
  }

  #data(
    plan: Plan,
    domain: Domain,
    start: number,
    end: number,
    room: () => FlowBatch | undefined,
  ): ErrorRow | undefined {
    const records = this.#records;
    const { outcome } = this;
    for (let at = start; end - at >= plan.recordBytes; ) {
      const batch = room();
      const free = batch === undefined ? RUN_RECORDS : batch.capacity - batch.length;
      at = records.find(plan, at, end, plan.reverse === undefined ? free : free >> 1);
      const { count, isTruncated } = records;
      this.#recordCount += count;
      if (batch === undefined) outcome.lost += count;
      else if (count > 0) {
        const before = batch.length;
        this.#thin(plan);
        this.#filler.add(records, plan, domain, this.#facts, batch);
        outcome.flows += batch.length - before;
      }
      if (isTruncated) return NETFLOW_ERRORS.truncated;
    }
    return undefined;
  }

  /** Leaves out what is above the limit of the exporter. */
  #thin(plan: Plan): void {
    const limit = this.#facts.sampling?.limit;
    if (limit === undefined) return;
    const records = this.#records;
    const { count } = records;
    if (limit.thinning > 1) records.thin(limit, plan.lengths.length);
    limit.note(count, records.count);
    this.outcome.limited += count - records.count;
  }

  #options(plan: OptionsPlan, domain: Domain, start: number, end: number): ErrorRow | undefined {
    const records = this.#records;
    let problem: ErrorRow | undefined;
    for (let at = start; end - at >= plan.layout.recordBytes; ) {
      at = records.find(plan.layout, at, end, RUN_RECORDS);
      this.#recordCount += records.count;
      if (plan.interfaces !== undefined) {
        this.#names?.read(records, plan.interfaces, this.#facts.exporter);
      }
      for (let i = 0; i < records.count; i++) {
        const rate = rateIn(records, plan.rates, i);
        const { sampler, systemInit } = plan;
        if (systemInit !== undefined) domain.systemInitMs = records.number(systemInit, i);
        if (!(rate > 0)) continue;
        const id = sampler === undefined ? -1 : records.number(sampler, i);
        if (domain.sampling.of(id) !== rate) this.#domains.changes++;
        if (sampler === undefined) domain.sampling.all = rate;
        else if (!domain.sampling.set(id, rate)) {
          problem = NETFLOW_ERRORS.limit;
        }
      }
      if (records.isTruncated) return NETFLOW_ERRORS.truncated;
    }
    return problem;
  }

  /** An exporter that started again numbers its templates anew. */
  #noteUptime(domain: Domain): void {
    const { uptimeMs } = this.#facts;
    if (hasRestarted(domain.uptimeMs, uptimeMs)) {
      this.#domains.removeAll(domain, 'all');
      domain.nextSequence = UNKNOWN_SEQUENCE;
    }
    domain.uptimeMs = uptimeMs;
  }

  /** Counts what is missing before this datagram; true: the datagram is late itself. */
  #noteSequence(domain: Domain, unit: 'flows' | 'datagrams'): boolean {
    const { outcome } = this;
    outcome.missingUnit = unit;
    const missing = missingBefore(domain.nextSequence, this.#facts.sequence);
    outcome.missing = Math.max(missing, 0);
    return missing === LATE;
  }
}
