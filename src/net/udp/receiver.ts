import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { explain, NetobservError } from '../../base/errors.ts';
import { formatListen } from '../../base/listen.ts';
import type { Log } from '../../telemetry/log.ts';
import { NET_ERRORS } from '../errors.ts';

/** The sender of a datagram. */
export interface UdpPeer {
  readonly address: string;
  readonly port: number;
}

export interface UdpReceiverOptions {
  /** An address of this host; IPv6 takes IPv4 as well where it is unspecified. */
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /** Sockets on the port; the kernel spreads senders over them. */
  readonly sockets: number;
  /** Bytes of datagrams that wait in the kernel, for each socket. */
  readonly bufferBytes: number;
}

export interface UdpReceiverDeps {
  readonly log: Pick<Log, 'warn'>;
  /** Handles a datagram, whose bytes are its own. Never throws. */
  readonly take: (bytes: Uint8Array, peer: UdpPeer) => void;
}

/**
 * Datagrams to a port of this host. libuv reads at most 32 of a socket before other work has its
 * turn; further ones wait in the kernel, within `bufferBytes`.
 */
export class UdpReceiver {
  readonly #options: UdpReceiverOptions;
  readonly #deps: UdpReceiverDeps;
  readonly #sockets: Socket[] = [];
  #port: number;
  /** Inodes of the sockets: the kernel lists its sockets by them. */
  #inodes: ReadonlySet<string> = new Set();

  constructor(options: UdpReceiverOptions, deps: UdpReceiverDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#port = options.port;
  }

  /** The port, once it is open. */
  get port(): number {
    return this.#port;
  }

  /** Opens the port; rejects with `ERR_NET_LISTEN`. */
  async start(): Promise<void> {
    const { host, sockets } = this.#options;
    try {
      for (let index = 0; index < sockets; index++) await this.#open();
    } catch (cause) {
      const problem = `cannot receive UDP on ${formatListen({ host, port: this.#port })}`;
      this.stop();
      throw new NetobservError(NET_ERRORS.listen, problem, { cause });
    }
    this.#inodes = inodesOf(this.#port);
  }

  /** Datagrams that the kernel has dropped since the start, since the buffers were full. */
  kernelDrops(): number {
    if (this.#inodes.size === 0) return 0;
    let drops = 0;
    for (const { inode, drops: more } of socketTable()) {
      if (this.#inodes.has(inode)) drops += more;
    }
    return drops;
  }

  stop(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }

  async #open(): Promise<void> {
    const { host, sockets } = this.#options;
    const type = isIPv6(host) ? 'udp6' : 'udp4';
    const socket = createSocket({ type, reusePort: sockets > 1 });
    this.#sockets.push(socket);
    socket.on('message', (bytes, { address, port }) => {
      const zone = address.indexOf('%');
      this.#deps.take(bytes, { address: zone === -1 ? address : address.slice(0, zone), port });
    });
    socket.bind(this.#port, host);
    await once(socket, 'listening');
    this.#port = socket.address().port;
    // Later errors concern single datagrams; without a listener they would end the process.
    socket.on('error', (error) => {
      this.#deps.log.warn({ error: explain(error) }, 'a datagram was not received');
    });
    this.#setBuffer(socket);
  }

  /** The kernel doubles the size, for its own records, and limits it. */
  #setBuffer(socket: Socket): void {
    const { bufferBytes } = this.#options;
    socket.setRecvBufferSize(bufferBytes);
    const grantedBytes = socket.getRecvBufferSize() / 2;
    if (grantedBytes >= bufferBytes || this.#sockets.length > 1) return;
    this.#deps.log.warn(
      { bufferBytes, grantedBytes },
      'the kernel limits the receive buffer: raise net.core.rmem_max, or bursts may be lost',
    );
  }
}

interface KernelSocket {
  readonly port: number;
  readonly inode: string;
  readonly drops: number;
}

/** Columns of a line of /proc/net/udp, as the kernel's documentation numbers them. */
const LOCAL = 1;
const INODE = 9;
const DROPS = 12;

/** The UDP sockets of this network namespace; empty where /proc cannot be read. */
function socketTable(): readonly KernelSocket[] {
  return ['/proc/self/net/udp', '/proc/self/net/udp6'].flatMap((path) => {
    let text: string;
    try {
      text = readFileSync(path, 'latin1');
    } catch {
      return [];
    }
    const lines = text.split('\n').slice(1);
    return lines.flatMap((line) => {
      const words = line.trim().split(/\s+/);
      const port = Number.parseInt(words[LOCAL]?.split(':')[1] ?? '', 16);
      const drops = Number(words[DROPS]);
      if (Number.isNaN(port) || Number.isNaN(drops)) return [];
      return [{ port, inode: words[INODE]!, drops }];
    });
  });
}

/** Inodes of the sockets on a port that this process has open. */
function inodesOf(port: number): ReadonlySet<string> {
  const own = new Set<string>();
  try {
    for (const name of readdirSync('/proc/self/fd')) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/self/fd/${name}`))?.[1];
      if (inode !== undefined) own.add(inode);
    }
  } catch {
    return own;
  }
  const known = socketTable().filter((socket) => socket.port === port && own.has(socket.inode));
  return new Set(known.map(({ inode }) => inode));
}

/** A file that was closed meanwhile leads nowhere. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
