import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../base/clock.ts';

/** A name is looked up again so long after the last time: as long as many resolvers cache it. */
export const LOOK_UP_PERIOD_MS = 30_000;

/** All addresses of a name, the preferred one first. */
export type LookUp = (host: string) => Promise<readonly string[]>;

/** As the host has it: /etc/hosts, and resolvers. */
export async function lookUpHost(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

export interface PeerAddressDeps {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly lookUp: LookUp;
}

/**
 * Where a peer is that is known by name. Names come to lead elsewhere, and resolvers go away, which
 * says nothing of the peer: until they are back, it is where it was.
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

  /** To send to from now on. Rejects while no address has ever been known. */
  async resolve(): Promise<string> {
    try {
      await this.#look();
    } catch (error) {
      if (this.#known.length === 0) throw error;
    }
    return this.#known[0]!;
  }

  /**
   * Whether the name leads to others by now, as far as is known: nobody waits for a resolver that
   * is silent. One of several addresses stays in use, in whichever order they are told.
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
