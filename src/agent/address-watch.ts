import type { Clock } from '../base/clock.ts';
import { explain } from '../base/errors.ts';
import type { Log } from '../telemetry/log.ts';
import { findAgentAddress, type HostAddresses } from './address.ts';
import type { AgentConfig } from './config.ts';

/** How often the machine's addresses are read: leases end, interfaces and routes come late. */
const LOOK_PERIOD_MS = 10_000;

export interface AddressWatchDeps {
  readonly host: HostAddresses;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The current address by which flows name this agent. While the machine has no address of the
 * wanted kind, the last one remains.
 */
export class AddressWatch {
  readonly #config: Pick<AgentConfig, 'agentIp' | 'agentIpIface' | 'agentIpType'>;
  readonly #deps: AddressWatchDeps;
  #address = '';
  #looking: Disposable | undefined;
  #isLooking = false;
  #told: string | undefined;

  constructor(
    config: Pick<AgentConfig, 'agentIp' | 'agentIpIface' | 'agentIpType'>,
    deps: AddressWatchDeps,
  ) {
    this.#config = config;
    this.#deps = deps;
  }

  /** Throws when the named interface has no address. */
  async start(): Promise<void> {
    const { host, clock } = this.#deps;
    const { address, warning } = await findAgentAddress(this.#config, host);
    this.#address = address;
    this.#tell(warning);
    // A configured address does not change.
    if (this.#config.agentIp !== '') return;
    this.#looking = clock.every(LOOK_PERIOD_MS, () => void this.#look());
  }

  stop(): void {
    this.#looking?.[Symbol.dispose]();
  }

  /** Canonical text; empty when the machine has had no address at all so far. */
  current(): string {
    return this.#address;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { address, warning } = await findAgentAddress(this.#config, this.#deps.host);
      this.#tell(warning);
      if (address === '' || address === this.#address) return;
      this.#deps.log.info({ from: this.#address, to: address }, 'the agent has another address');
      this.#address = address;
    } catch (error) {
      this.#tell(explain(error));
    } finally {
      this.#isLooking = false;
    }
  }

  /** Logs each problem once, until the problem is another. */
  #tell(warning: string | undefined): void {
    if (warning !== undefined && warning !== this.#told) {
      this.#deps.log.warn({ address: this.#address }, warning);
    }
    this.#told = warning;
  }
}
