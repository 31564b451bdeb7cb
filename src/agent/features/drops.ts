import { explain } from '../../base/errors.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { TCP_STATES } from '../../flow/enums.ts';
import { MISSING } from '../../flow/intern.ts';
import type { Log } from '../../telemetry/log.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { dropMetrics, config as layout } from '../drain/layout.gen.ts';
import { DropReasonNames } from '../kernel/drop-reasons.ts';
import { codeAddress, KernelSymbols } from '../kernel/symbols.ts';
import { fillDoubles } from './columns.ts';
import type { FeatureSpec } from './feature.ts';
import type { FeatureReader } from './reader.ts';
import { TextIds } from './text-ids.ts';

/** For kernels that give no reasons. Collectors ignore a drop without a cause. */
const UNSPECIFIED = 'SKB_DROP_REASON_NOT_SPECIFIED';
const NO_PLACES = 'flows have no PktDropLocation';

/** Packets that the kernel drops, by bpf/drops.h. */
export const drops: FeatureSpec = {
  name: 'drops',
  variable: 'ENABLE_PKT_DROPS',
  isOn: (config) => config.enablePktDrops,
  fields: 'pktDrop',
  without: 'flows have no PktDrop fields',
  enabledBy: 'tracepoint skb:kfree_skb, and BTF',
  // Symbols of kernel functions. Their addresses are read while this is held.
  capabilities: { start: ['CAP_SYSLOG'] },
  extension: { at: 'dropsAt', sizeBytes: dropMetrics.sizeBytes },
  configure(view, { pktDropsOfOthers }) {
    view.setUint8(layout.dropsOfOthers, pktDropsOfOthers ? 1 : 0);
  },
  ways: [
    [{ program: 'drops_kfree_skb' }],
    [{ program: 'drops_kfree_skb_reason' }],
    [{ program: 'drops_kfree_skb_location' }],
  ],
  reader: ({ log }, at) => new DropReader(log, at),
};

/** Paths of the kernel's information about itself; tests set others. */
export interface DropSources {
  readonly reasons?: DropReasonNames;
  readonly symbols?: KernelSymbols;
}

export class DropReader implements FeatureReader {
  readonly #log: Log;
  readonly #at: number;
  readonly #symbols: KernelSymbols | undefined;
  readonly #causes: TextIds;
  readonly #states = new TextIds((state) => TCP_STATES.nameOf(state) ?? 'TCP_INVALID_STATE');
  readonly #places: TextIds;
  #reading: Promise<void> | undefined;

  constructor(log: Log, at: number, sources: DropSources = {}) {
    this.#log = log;
    this.#at = at;
    const reasons = sources.reasons ?? new DropReasonNames();
    if (!reasons.areKnown) log.warn('the kernel does not name its reasons to drop packets');
    this.#causes = new TextIds((reason) => (reason === 0 ? UNSPECIFIED : reasons.nameOf(reason)));
    const symbols = sources.symbols ?? openSymbols(log);
    this.#symbols = symbols;
    this.#places = new TextIds((address) => symbols?.nameOf(address) ?? '');
  }

  prepare(): Promise<void> {
    this.#reading ??= this.#readSymbols();
    return this.#reading;
  }

  decode(buffer: DrainBuffer, length: number, batch: FlowBatch): void {
    const at = this.#at;
    fillDoubles(buffer, length, batch, 'PktDropBytes', at + dropMetrics.bytes);
    fillDoubles(buffer, length, batch, 'PktDropPackets', at + dropMetrics.packets);
    for (let row = 0; row < length; row++) {
      const base = row * buffer.valueBytes + at;
      const packets = (base + dropMetrics.packets) >> 2;
      if (buffer.values32[packets] !== 0 || buffer.values32[packets + 1] !== 0) {
        this.#describe(buffer, base, batch, row);
      }
    }
  }

  /** Describes the few flows with drops. */
  #describe(
    { values, values16, values32 }: DrainBuffer,
    base: number,
    batch: FlowBatch,
    row: number,
  ): void {
    const { tables } = batch;
    const reason = values32[(base + dropMetrics.reason) >> 2]!;
    const state = values[base + dropMetrics.tcpState]!;
    const flags = values16[(base + dropMetrics.tcpFlags) >> 1]!;
    if (batch.has('PktDropLatestDropCause')) {
      batch.ids('PktDropLatestDropCause')[row] = this.#causes.idOf(reason, tables);
    }
    if (state !== 0 && batch.has('PktDropLatestState')) {
      batch.ids('PktDropLatestState')[row] = this.#states.idOf(state, tables);
    }
    if (flags !== 0 && batch.has('PktDropLatestFlags')) {
      batch.u16('PktDropLatestFlags')[row] = flags;
      setBit(batch.present('PktDropLatestFlags'), row);
    }
    if (this.#symbols !== undefined && this.#symbols.size > 0 && batch.has('PktDropLocation')) {
      const place = (base + dropMetrics.location) >> 2;
      const address = codeAddress(values32[place]!, values32[place + 1]!);
      batch.ids('PktDropLocation')[row] =
        address === 0 ? MISSING : this.#places.idOf(address, tables);
    }
  }

  async stop(): Promise<void> {
    this.#symbols?.close();
  }

  async #readSymbols(): Promise<void> {
    if (this.#symbols === undefined) return;
    try {
      await this.#symbols.read();
    } catch (error) {
      this.#log.warn({ error: explain(error) }, NO_PLACES);
      return;
    }
    if (this.#symbols.size > 0) return;
    this.#log.warn(`${NO_PLACES}: without CAP_SYSLOG at the start the kernel hides addresses`);
  }
}

/** Undefined, and logged, when the kernel has no list of symbols. */
function openSymbols(log: Log): KernelSymbols | undefined {
  try {
    return new KernelSymbols();
  } catch (error) {
    log.warn({ error: explain(error) }, NO_PLACES);
    return undefined;
  }
}
