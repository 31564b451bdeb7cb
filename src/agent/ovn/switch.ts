import { NetobservError } from '../../base/errors.ts';
import type { OvsdbClient } from '../../net/ovsdb/client.ts';
import { mapOf, numberOf, type OvsdbRow, referencesOf, textOf } from '../../net/ovsdb/values.ts';
import { OVN_ERRORS } from './errors.ts';

const INTEGRATION_BRIDGE = 'br-int';
/** The owner that `netobserv-ebpf-agent` sets on its rows; this agent replaces it. */
const OWNER = 'netobservAgent';

/** Keys of an interface's `external_ids`; the first two identify pods' interfaces. */
const POD = 'iface-id';
const POD_VERSION = 'iface-id-ver';
const NETWORK = 'k8s.ovn.org/network';

/** The label of pods' interfaces in the default network of every pod. */
const DEFAULT_NETWORK = 'default';
const CLUSTER_PREFIX = 'cluster_udn_';

/** Tables of the local Open vSwitch database. */
export const INTERFACE_TABLES = { Interface: ['name', 'external_ids'] } as const;
export const COLLECTOR_TABLES = {
  Bridge: ['name'],
  Flow_Sample_Collector_Set: ['id', 'bridge', 'local_group_id', 'external_ids'],
} as const;

/** Labels of user-defined networks by the name of the interface. */
export class InterfaceNetworks {
  readonly #names = new Map<string, string>();
  readonly #labels = new Map<string, string>();

  reset(): void {
    this.#names.clear();
    this.#labels.clear();
  }

  set(uuid: string, row: OvsdbRow | undefined): void {
    const before = this.#names.get(uuid);
    if (before !== undefined) this.#labels.delete(before);
    this.#names.delete(uuid);
    if (row === undefined) return;
    const name = textOf(row.name);
    const ids = mapOf(row.external_ids);
    if (!ids.has(POD) || !ids.has(POD_VERSION)) return;
    this.#names.set(uuid, name);
    this.#labels.set(name, labelOf(ids.get(NETWORK) ?? ''));
  }

  /** Empty: not an interface of a pod, or not in a user-defined network. */
  labelOf(name: string): string {
    return this.#labels.get(name) ?? '';
  }
}

/**
 * `cluster_udn_NAME` is a cluster's network, `NAMESPACE_NAME` a namespace's; neither kind of name
 * contains an underscore. Anything else is a network that was created in another way.
 */
function labelOf(network: string): string {
  if (network === '') return DEFAULT_NETWORK;
  if (network.startsWith(CLUSTER_PREFIX)) return network.slice(CLUSTER_PREFIX.length);
  const parts = network.split('_');
  // Networks that no user has defined count as the default, as in `netobserv-ebpf-agent`.
  return parts.length === 2 ? parts.join('/') : DEFAULT_NETWORK;
}

interface Collector {
  readonly id: number;
  readonly bridge: string;
  readonly group: number | undefined;
  readonly owner: string;
}

/**
 * Sets of sample collectors. OVN sends samples to numbered sets; they reach the kernel's psample
 * group only if Open vSwitch has a set with that number on its integration bridge.
 */
export class Collectors {
  readonly #bridges = new Map<string, string>();
  readonly #collectors = new Map<string, Collector>();
  readonly #group: number;
  /** Sets that this process has created and will remove. */
  readonly #made = new Set<number>();

  constructor(group: number) {
    this.#group = group;
  }

  reset(): void {
    this.#bridges.clear();
    this.#collectors.clear();
  }

  set(table: string, uuid: string, row: OvsdbRow | undefined): void {
    if (table === 'Bridge') {
      if (row === undefined) this.#bridges.delete(uuid);
      else this.#bridges.set(uuid, textOf(row.name));
      return;
    }
    if (row === undefined) {
      // Somebody removed it: it must be created again.
      this.#made.delete(this.#collectors.get(uuid)?.id ?? -1);
      this.#collectors.delete(uuid);
      return;
    }
    this.#collectors.set(uuid, {
      id: numberOf(row.id) ?? -1,
      bridge: referencesOf(row.bridge)[0] ?? '',
      group: numberOf(row.local_group_id),
      owner: mapOf(row.external_ids).get('owner') ?? '',
    });
  }

  /** Creates the set, unless an agent left it. Throws when it belongs to another program. */
  async ensure(client: OvsdbClient, id: number): Promise<void> {
    const bridge = this.#bridge();
    const found = [...this.#collectors.values()].find(
      (each) => each.id === id && each.bridge === bridge,
    );
    if (found !== undefined) {
      if (found.owner === OWNER && found.group === this.#group) {
        this.#made.add(id);
        return;
      }
      throw new NetobservError(
        OVN_ERRORS.collector,
        `collector set ${id} belongs to "${found.owner}" and sends to group ${found.group}`,
      );
    }
    await client.transact([
      {
        op: 'insert',
        table: 'Flow_Sample_Collector_Set',
        row: {
          id,
          bridge: ['uuid', bridge],
          local_group_id: this.#group,
          external_ids: ['map', [['owner', OWNER]]],
        },
      },
    ]);
    this.#made.add(id);
  }

  /** Whether this process has created all of these sets. */
  has(ids: readonly number[]): boolean {
    return ids.every((id) => this.#made.has(id));
  }

  /** Removes the sets that `ensure` has created. */
  async remove(client: OvsdbClient): Promise<void> {
    if (this.#made.size === 0) return;
    const bridge = this.#bridge();
    const operations = [...this.#made].map((id) => ({
      op: 'delete',
      table: 'Flow_Sample_Collector_Set',
      where: [
        ['id', '==', id],
        ['bridge', '==', ['uuid', bridge]],
      ],
    }));
    await client.transact(operations);
    this.#made.clear();
  }

  #bridge(): string {
    for (const [uuid, name] of this.#bridges) if (name === INTEGRATION_BRIDGE) return uuid;
    throw new NetobservError(OVN_ERRORS.bridge, `Open vSwitch has no bridge ${INTEGRATION_BRIDGE}`);
  }
}
