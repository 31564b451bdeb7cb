import { Lab } from './netns.ts';

export const CLIENT = '10.9.0.1';
export const SERVER = '10.9.0.2';

/** A client and a server in separate namespaces, and a wire between them. */
export class ClientServer {
  readonly lab = new Lab();
  readonly client = this.lab.namespace('client');
  readonly server = this.lab.namespace('server');
  /** The client's end of the wire. */
  readonly near: string;
  readonly far: string;

  constructor() {
    [this.near, this.far] = this.wire(CLIENT, SERVER);
  }

  /** Adds a wire with these addresses; returns the names of its ends, the client's first. */
  wire(client: string, server: string): readonly [near: string, far: string] {
    return this.lab.pair(
      { namespace: this.client, addresses: [`${client}/24`] },
      { namespace: this.server, addresses: [`${server}/24`] },
    );
  }

  /** Neighbour discovery would add packets at random times. */
  disableV6(): void {
    for (const [namespace, device] of [
      [this.client, this.near],
      [this.server, this.far],
    ] as const) {
      this.lab.inside(namespace, 'sysctl', '-qw', `net.ipv6.conf.${device}.disable_ipv6=1`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}
