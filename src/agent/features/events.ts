import type { FlowBatch } from '../../flow/batch.ts';
import { hasBit, setBit } from '../../flow/bits.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { eventFate, eventMetrics, config as layout } from '../drain/layout.gen.ts';
import type { NetworkEvent } from '../ovn/network-event.ts';
import { OVN_SOCKETS, OvnSampling, type OvnSockets } from '../ovn/sampling.ts';
import type { FeatureReaderDeps, FeatureSpec } from './feature.ts';
import type { FeatureReader } from './reader.ts';

const WORD = 2 ** 32;
const COOKIE_BYTES = 8;
const BYTES_BYTES = 8;
const PACKETS_BYTES = 4;

const FATES_MAP = 'event_fates';

/** How `netobserv-ebpf-agent` counts the fates of samples, and two more of ours. */
const REASONS: readonly (readonly [number, string])[] = [
  [eventFate.good, 'NetworkEventsGoodEvent'],
  [eventFate.otherGroup, 'NetworkEventsErrorsGroupIDMismatch'],
  [eventFate.unreadable, 'NetworkEventsErrors'],
  [eventFate.noFlow, 'NetworkEventsErrorsFlowMapUpdate'],
  [eventFate.noCookie, 'NetworkEventsErrorsCookie'],
  [eventFate.overflow, 'NetworkEventsErrorsOverflow'],
];

/** Fates that `netobserv-ebpf-agent` counts as errors. */
const ERRORS: ReadonlyMap<number, string> = new Map([
  [eventFate.noCookie, 'CookieTooBig'],
  [eventFate.overflow, 'EventsOverflow'],
]);

/** Actions of OVN's network policies on flows, by bpf/events.h. */
export const events: FeatureSpec = {
  name: 'network-events',
  variable: 'ENABLE_NETWORK_EVENTS_MONITORING',
  isOn: (config) => config.enableNetworkEventsMonitoring,
  // A policy that drops is a cause of drops.
  fields: ['networkEvents', 'pktDrop'],
  without: 'flows have no NetworkEvents',
  enabledBy: 'fentry or kprobe on psample_sample_packet (Linux 6.11 or later with PSAMPLE)',
  // Sockets of OVN and Open vSwitch belong to users of their own.
  capabilities: { run: ['CAP_DAC_OVERRIDE'] },
  maps: [FATES_MAP],
  extension: { at: 'eventsAt', sizeBytes: eventMetrics.sizeBytes },
  configure(view, config) {
    view.setUint8(layout.eventGroup, config.networkEventsMonitoringGroupId);
  },
  ways: [[{ program: 'events_psample' }], [{ program: 'events_psample_kprobe' }]],
  reader: (deps, at) => new EventReader(deps, at),
};

/** Dependencies of the reader. */
export type EventDeps = Pick<
  FeatureReaderDeps,
  'clock' | 'log' | 'metrics' | 'native' | 'object' | 'config'
>;

export class EventReader implements FeatureReader {
  readonly #deps: EventDeps;
  readonly #at: number;
  readonly #sampling: OvnSampling;
  readonly #value = new Uint8Array(8);
  /** By the index in `REASONS`: the counts at the start, from those who loaded the programs. */
  readonly #before: number[];

  constructor(deps: EventDeps, at: number, sockets: OvnSockets = OVN_SOCKETS) {
    this.#deps = deps;
    this.#at = at;
    this.#before = REASONS.map(([fate]) => this.#read(fate));
    const group = deps.config.networkEventsMonitoringGroupId;
    this.#sampling = new OvnSampling(deps, group, sockets);
    this.#sampling.start();
  }

  /** Most flows have no events, which one word of their entry shows. */
  decode(buffer: DrainBuffer, length: number, batch: FlowBatch): void {
    const { values32, valueBytes } = buffer;
    for (let row = 0, at = this.#at; row < length; row++, at += valueBytes) {
      const first = (at + eventMetrics.cookies) >> 2;
      if (values32[first] !== 0 || values32[first + 1] !== 0)
        this.#describe(buffer, at, batch, row);
    }
  }

  /** Counts the fates of samples since the last drain. */
  finish(): void {
    const { metrics } = this.#deps;
    for (const [index, [fate, reason]] of REASONS.entries()) {
      const count = this.#read(fate);
      const more = count - this.#before[index]!;
      metrics.networkEvents.inc({ source: 'network-events', reason }, more);
      const error = ERRORS.get(fate);
      if (error !== undefined) metrics.error('network-events', error, 'medium', more);
      this.#before[index] = count;
    }
  }

  async stop(): Promise<void> {
    await this.#sampling.stop();
  }

  /** Samples that had this fate. */
  #read(fate: number): number {
    const { native, object } = this.#deps;
    const view = new DataView(this.#value.buffer);
    native.readMap(object, FATES_MAP, fate, this.#value);
    return view.getUint32(0, true) + view.getUint32(4, true) * WORD;
  }

  #describe(buffer: DrainBuffer, at: number, batch: FlowBatch, row: number): void {
    const { values, values32 } = buffer;
    const view = new DataView(values.buffer, values.byteOffset);
    const found: Shown[] = [];
    const wasDropped = batch.has('PktDropPackets') && hasBit(batch.present('PktDropPackets'), row);
    for (let slot = 0; slot < eventMetrics.cookiesMax; slot++) {
      const cookie = at + eventMetrics.cookies + slot * COOKIE_BYTES;
      if (values32[cookie >> 2] === 0 && values32[(cookie >> 2) + 1] === 0) break;
      const domain = view.getUint32(cookie, false);
      const point = view.getUint32(cookie + 4, false);
      const event = this.#sampling.eventOf(domain, point);
      if (event === undefined) this.#deps.metrics.error('network-events', 'CannotDecode', 'medium');
      const shown = event ?? { Message: `unknown sample: domain ${domain}, point ${point}` };
      // Two rules of one policy count as one event.
      if (!found.some((each) => isSame(each, shown))) found.push(shown);
      if (event?.Action !== 'drop') continue;
      causeDrop(batch, row, event);
      // If the kernel's own drops are watched, they include these packets.
      if (!wasDropped) addDrop(buffer, at, slot, batch, row);
    }
    if (batch.has('NetworkEvents')) batch.any('NetworkEvents')[row] = found;
  }
}

type Shown = NetworkEvent | { readonly Message: string };

function isSame(one: Shown, other: Shown): boolean {
  if (one === other) return true;
  const right = Object.entries(other);
  const left = new Map(Object.entries(one));
  return left.size === right.length && right.every(([key, value]) => left.get(key) === value);
}

/** The cause has the name that `netobserv-ebpf-agent` gives to policies. */
function causeDrop(batch: FlowBatch, row: number, { Type }: NetworkEvent): void {
  if (!batch.has('PktDropLatestDropCause')) return;
  const cause = `NetworkEvent_${Type === '' ? 'Unknown' : Type}`;
  batch.ids('PktDropLatestDropCause')[row] = batch.tables.strings.intern(cause);
}

function addDrop(
  { values32 }: DrainBuffer,
  at: number,
  slot: number,
  batch: FlowBatch,
  row: number,
): void {
  const bytes = (at + eventMetrics.bytes + slot * BYTES_BYTES) >> 2;
  const packets = (at + eventMetrics.packets + slot * PACKETS_BYTES) >> 2;
  add(batch, 'PktDropBytes', row, values32[bytes]! + values32[bytes + 1]! * WORD);
  add(batch, 'PktDropPackets', row, values32[packets]!);
}

function add(batch: FlowBatch, name: string, row: number, amount: number): void {
  if (!batch.has(name)) return;
  const values = batch.f64(name);
  const present = batch.present(name);
  values[row] = (hasBit(present, row) ? values[row]! : 0) + amount;
  setBit(present, row);
}
