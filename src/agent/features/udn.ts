import { type FlowBatch, type ListColumn, pushList } from '../../flow/batch.ts';
import type { InternTables } from '../../flow/intern.ts';
import { OvsdbClient } from '../../net/ovsdb/client.ts';
import type { DrainBuffer, DrainFacts } from '../drain/buffer.ts';
import {
  OBSERVED_AT,
  OBSERVED_END,
  OBSERVED_WORDS,
  observedName,
  SEEN_AT,
} from '../drain/observed.ts';
import { OVN_SOCKETS } from '../ovn/sampling.ts';
import { INTERFACE_TABLES, InterfaceNetworks } from '../ovn/switch.ts';
import type { FeatureReaderDeps, FeatureSpec } from './feature.ts';
import type { FeatureReader } from './reader.ts';

/**
 * User-defined networks of OVN by interface. OVN's database lists the networks, but the mapping of
 * interfaces to networks is in Open vSwitch.
 */
export const udn: FeatureSpec = {
  name: 'udn',
  variable: 'ENABLE_UDN_MAPPING',
  isOn: (config) => config.enableUdnMapping,
  fields: 'udnMapping',
  without: 'flows have no Udns',
  enabledBy: `Open vSwitch at ${OVN_SOCKETS.local}`,
  // Its socket belongs to a separate user.
  capabilities: { run: ['CAP_DAC_OVERRIDE'] },
  reader: (deps) => new UdnReader(deps),
};

export class UdnReader implements FeatureReader {
  readonly #networks = new InterfaceNetworks();
  readonly #client: OvsdbClient;
  /** Id of a label by the id of the interface's name. */
  readonly #labels = new Map<number, number>();
  #generation = 0;

  constructor(
    { clock, log }: Pick<FeatureReaderDeps, 'clock' | 'log'>,
    socket = OVN_SOCKETS.local,
  ) {
    const networks = this.#networks;
    this.#client = new OvsdbClient(
      { socket, database: 'Open_vSwitch', tables: INTERFACE_TABLES },
      {
        clock,
        log,
        onReset: () => networks.reset(),
        onRow: (_table, uuid, row) => networks.set(uuid, row),
        onChange: () => this.#labels.clear(),
      },
    );
    this.#client.start();
  }

  decode(buffer: DrainBuffer, length: number, batch: FlowBatch, facts: DrainFacts): void {
    if (!batch.has('Udns')) return;
    const { tables } = batch;
    // Ids of other tables stand for other texts.
    if (tables.generation !== this.#generation) this.#labels.clear();
    this.#generation = tables.generation;
    this.#fill(buffer, length, batch.list('Udns'), facts, tables);
  }

  async stop(): Promise<void> {
    await this.#client.stop();
  }

  /** A label for each slot that `Interfaces` has an entry for. */
  #fill(
    buffer: DrainBuffer,
    length: number,
    column: ListColumn,
    { names }: DrainFacts,
    tables: InternTables,
  ): void {
    const { values32: values } = buffer;
    const stride = buffer.valueBytes >> 2;
    let end = 0;
    for (let row = 0, base = 0; row < length; row++, base += stride) {
      for (let at = base + OBSERVED_AT; at < base + OBSERVED_END; at += OBSERVED_WORDS) {
        if (values[at + SEEN_AT] === 0) break;
        const name = observedName(buffer, row, at, names, tables);
        end = pushList(column, end, this.#labels.get(name) ?? this.#labelOf(name, tables));
      }
      column.offsets[row + 1] = end;
    }
  }

  #labelOf(name: number, { strings }: InternTables): number {
    const label = strings.intern(this.#networks.labelOf(strings.text(name)));
    this.#labels.set(name, label);
    return label;
  }
}
