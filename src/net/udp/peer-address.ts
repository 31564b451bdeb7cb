import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../base/clock.ts';

/** Minimum time between two look-ups of a name: many resolvers cache it for this long. */
export const LOOK_UP_PERIOD_MS = 30_000;

/** All addresses of a name, the preferred one first. */
export type LookUp = (host: string) => Promise<readonly string[]>;

/** Looks up a name as the host does: /etc/hosts, then resolvers. */
export async function lookUpHost(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

export interface PeerAddressDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly lookUp: LookUp;
}

/**
 * The address of a peer that is known by name. A name may move to another address, and resolvers
 * may fail, which says nothing about the peer: until they work again, its known address is used.
 */
export class PeerAddress {
  readonly host: string;
  readonly #deps: PeerAddressDeps;
  #known: readonly string[] = [];
  #lookedMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(host: string, deps: PeerAddressDeps) {
    this.host = host;
    this.#deps = deps;
  }

  /** The address to send to. Rejects while no address has ever been known. */
  async resolve(): Promise<string> {
    try {
      await this.#look();
    } catch (error) {
      if (this.#known.length === 0) throw error;
    }
    return this.#known[0]!;
  }

  /**
   * Whether the name no longer leads to the address, by the last look-up; never waits for a silent
   * resolver. One of several addresses stays in use, in any order of the list.
   */
  hasLeft(address: string): boolean {
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#looking === undefined && nowMs - this.#lookedMs >= LOOK_UP_PERIOD_MS) {
      this.#looking = this.#look()
        .catch(() => undefined)
        .finally(() => {
          this.#looking = undefined;
        });
    }
    return !this.#known.includes(address);
  }

  async #look(): Promise<void> {
    this.#lookedMs = this.#deps.clock.monotonicMs();
    const isAddress = isIP(this.host) !== 0;
    const addresses = isAddress ? [this.host] : await this.#deps.lookUp(this.host);
    if (addresses.length === 0) throw new Error(`${this.host} has no address`);
    this.#known = addresses;
  }
}
