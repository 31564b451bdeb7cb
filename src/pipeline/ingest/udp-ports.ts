import type { UdpPeer, UdpReceiver } from '../../net/udp/receiver.ts';
import type { StageContext } from '../stage.ts';
import type { ExporterMetrics } from './exporters.ts';

export interface UdpPortsOptions {
  readonly hostName: string;
  readonly ports: readonly number[];
  readonly sockets: number;
  readonly receiveBufferBytes: number;
}

/** Handles a datagram that came to a port. Never throws. */
export type TakeDatagram = (bytes: Uint8Array, peer: UdpPeer, listenPort: number) => void;

/** The UDP ports of a stage, and the count of datagrams that the kernel has dropped there. */
export class UdpPorts {
  readonly #context: StageContext;
  readonly #lost: ExporterMetrics['lost'];
  readonly #take: TakeDatagram;
  #receivers: readonly UdpReceiver[] = [];
  #kernelDrops = 0;

  constructor(context: StageContext, lost: ExporterMetrics['lost'], take: TakeDatagram) {
    this.#context = context;
    this.#lost = lost;
    this.#take = take;
  }

  /** Opens the ports; rejects with `ERR_NET_LISTEN`, and then no port is open. */
  async open({ hostName, ports, sockets, receiveBufferBytes }: UdpPortsOptions): Promise<void> {
    const { name, deps } = this.#context;
    // Here and not at the top: pipelines of agents do without it.
    const { UdpReceiver: Made } = await import('../../net/udp/receiver.ts');
    const log = deps.log.child({ component: 'pipeline', stage: name });
    const host = hostName === '' ? '0.0.0.0' : hostName;
    this.#receivers = ports.map((port) => {
      const take = (bytes: Uint8Array, peer: UdpPeer): void => this.#take(bytes, peer, port);
      return new Made({ host, port, sockets, bufferBytes: receiveBufferBytes }, { log, take });
    });
    try {
      for (const receiver of this.#receivers) await receiver.start();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Counts what the kernel has dropped since the last call. */
  countDrops(): void {
    let drops = 0;
    for (const receiver of this.#receivers) drops += receiver.kernelDrops();
    if (drops > this.#kernelDrops) {
      const labels = { stage: this.#context.name, reason: 'kernel' };
      this.#lost.inc(labels, drops - this.#kernelDrops);
    }
    this.#kernelDrops = drops;
  }

  close(): void {
    for (const receiver of this.#receivers) receiver.stop();
    this.#receivers = [];
  }
}
