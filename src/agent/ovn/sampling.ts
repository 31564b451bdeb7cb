import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import { OvsdbClient, type OvsdbDeps } from '../../net/ovsdb/client.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { NetworkEvent } from './network-event.ts';
import { NORTH_TABLES, NorthModel } from './north.ts';
import { COLLECTOR_TABLES, Collectors } from './switch.ts';

/** Sockets of OVN and Open vSwitch on a node; tests use others. */
export interface OvnSockets {
  readonly north: string;
  readonly local: string;
}

export const OVN_SOCKETS: OvnSockets = {
  north: '/var/run/ovn/ovnnb_db.sock',
  local: '/var/run/openvswitch/db.sock',
};

/** Open vSwitch answers within milliseconds, or hangs: other parts wait to be stopped. */
const REMOVE_TIMEOUT_MS = 1000;

interface Deps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/**
 * Directs samples of network policies to the kernel's psample group, and interprets them. OVN's
 * database names the sets for samples; this creates those sets in Open vSwitch.
 */
export class OvnSampling {
  readonly #deps: Deps;
  readonly #model = new NorthModel();
  readonly #collectors: Collectors;
  readonly #north: OvsdbClient;
  readonly #local: OvsdbClient;
  #ensuring: Promise<void> = Promise.resolve();
  #complained = false;
  #stopping = false;

  constructor(deps: Deps, group: number, sockets: OvnSockets) {
    const { clock, log } = deps;
    this.#deps = deps;
    this.#collectors = new Collectors(group);
    const follow = (
      target: Pick<OvsdbDeps, 'onRow'> & { readonly onReset: () => void },
    ): OvsdbDeps => ({ clock, log, ...target, onChange: () => this.#ensure() });
    this.#north = new OvsdbClient(
      { socket: sockets.north, database: 'OVN_Northbound', tables: NORTH_TABLES },
      follow({
        onReset: () => this.#model.reset(),
        onRow: (table, uuid, row) => this.#model.set(table, uuid, row),
      }),
    );
    this.#local = new OvsdbClient(
      { socket: sockets.local, database: 'Open_vSwitch', tables: COLLECTOR_TABLES },
      follow({
        onReset: () => this.#collectors.reset(),
        onRow: (table, uuid, row) => this.#collectors.set(table, uuid, row),
      }),
    );
  }

  start(): void {
    this.#north.start();
    this.#local.start();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const removed = new AbortController();
    const removing = this.#remove().finally(() => removed.abort());
    await this.#deps.clock.sleep(REMOVE_TIMEOUT_MS, removed.signal).catch(() => undefined);
    // Requests without an answer by now fail with their connection.
    await this.#north.stop();
    await this.#local.stop();
    await removing;
  }

  eventOf(domain: number, point: number): NetworkEvent | undefined {
    return this.#model.eventOf(domain, point);
  }

  async #remove(): Promise<void> {
    await this.#ensuring;
    try {
      await this.#collectors.remove(this.#local);
    } catch (error) {
      this.#deps.log.warn({ why: explain(error) }, 'collector sets were left in Open vSwitch');
    }
  }

  /** One run at a time; the next run handles changes that come meanwhile. */
  #ensure(): void {
    this.#ensuring = this.#ensuring.then(() => this.#ensureAll());
  }

  async #ensureAll(): Promise<void> {
    const sets = this.#model.collectorSets;
    if (this.#stopping || !this.#local.isCurrent || this.#collectors.has(sets)) return;
    const { log, metrics } = this.#deps;
    try {
      for (const id of sets) await this.#collectors.ensure(this.#local, id);
      this.#complained = false;
    } catch (error) {
      metrics.error('network-events', 'CannotAddCollector', 'high');
      if (!this.#complained) {
        log.warn({ why: explain(error) }, 'samples of network policies do not reach the kernel');
      }
      this.#complained = true;
    }
  }
}
