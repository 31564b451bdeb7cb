import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Network namespaces, veth pairs and traffic for tests on the real kernel. Everything is named
 * after the process and removed with the `Lab` that made it.
 */

const ROOT = join(import.meta.dirname, '../../..');

/** Prefix of all interfaces made here, which limits an agent under test to them. */
export const LINK_PREFIX = 'nbt';

export interface Counters {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
}

/** Bytes in both directions: the amount that each side of a TCP connection sends. */
export interface TcpExchange {
  readonly address: string;
  readonly port: number;
  readonly sendBytes: number;
  readonly replyBytes: number;
  /** The server's real port, if a router translates it; default: `port`. */
  readonly listenPort?: number;
}

export class Lab implements AsyncDisposable {
  readonly #tool = buildTool('traffic');
  readonly #namespaces = new Set<string>();
  readonly #children = new Set<ChildProcess>();
  #links = 0;

  /**
   * A new namespace with its loopback up. IPv6 is off for interfaces without an IPv6 address, since
   * it sends packets unasked; if it is on, addresses are not checked first.
   */
  namespace(name: string): string {
    const full = `${LINK_PREFIX}-${process.pid}-${name}`;
    ip('netns', 'add', full);
    this.#namespaces.add(full);
    for (const setting of ['accept_dad=0', 'router_solicitations=0', 'disable_ipv6=1']) {
      this.inside(full, 'sysctl', '-qw', `net.ipv6.conf.default.${setting}`);
    }
    ip('-n', full, 'link', 'set', 'lo', 'up');
    return full;
  }

  removeNamespace(name: string): void {
    this.#namespaces.delete(name);
    ip('netns', 'del', name);
  }

  /** A name for an interface that no other test uses. */
  linkName(): string {
    return `${LINK_PREFIX}${process.pid % 100_000}${(this.#links++).toString(36)}`;
  }

  /** Two interfaces joined back to back, each up in its namespace with its addresses. */
  pair(
    left: { readonly namespace: string; readonly addresses?: readonly string[] },
    right: { readonly namespace: string; readonly addresses?: readonly string[] },
  ): readonly [string, string] {
    const names = [this.linkName(), this.linkName()] as const;
    const peer = ['peer', 'name', names[1], 'netns', right.namespace];
    ip('-n', left.namespace, 'link', 'add', names[0], 'type', 'veth', ...peer);
    for (const [side, name] of [
      [left, names[0]],
      [right, names[1]],
    ] as const) {
      for (const address of side.addresses ?? []) this.address(side.namespace, name, address);
      ip('-n', side.namespace, 'link', 'set', name, 'up');
    }
    return names;
  }

  address(namespace: string, name: string, address: string): void {
    const isV6 = address.includes(':');
    if (isV6) this.inside(namespace, 'sysctl', '-qw', `net.ipv6.conf.${name}.disable_ipv6=0`);
    const noDad = isV6 ? ['nodad'] : [];
    ip('-n', namespace, 'address', 'add', address, 'dev', name, ...noDad);
  }

  /** Packets as on the wire: packets of several segments do not leave this interface. */
  withoutOffloads(namespace: string, name: string): void {
    ip('-n', namespace, 'link', 'set', name, 'gso_max_segs', '1');
  }

  macOf(namespace: string, name: string): string {
    const text = ip('-n', namespace, '-j', 'link', 'show', 'dev', name);
    return (JSON.parse(text) as [{ address: string }])[0].address;
  }

  counters(namespace: string, name: string): Counters {
    const text = ip('-n', namespace, '-s', '-s', '-j', 'link', 'show', 'dev', name);
    const [link] = JSON.parse(text) as [{ stats64: Record<'rx' | 'tx', Record<string, number>> }];
    const { rx, tx } = link.stats64;
    return {
      rxPackets: rx.packets!,
      rxBytes: rx.bytes!,
      txPackets: tx.packets!,
      txBytes: tx.bytes!,
    };
  }

  /** A counter of /proc/net/snmp or netstat: `Tcp`, `OutSegs`; `TcpExt`, `TCPAbortOnClose`. */
  snmp(namespace: string, group: string, name: string): number {
    const files = ['/proc/net/snmp', '/proc/net/netstat'];
    const lines = this.inside(namespace, 'cat', ...files).split('\n');
    const [names, values] = lines.filter((line) => line.startsWith(`${group}: `));
    const at = names!.split(' ').indexOf(name);
    return Number(values!.split(' ')[at]);
  }

  /** Number of TCP segments sent so far, including retransmissions. */
  tcpSegments(namespace: string): number {
    return this.snmp(namespace, 'Tcp', 'OutSegs') + this.snmp(namespace, 'Tcp', 'RetransSegs');
  }

  /** A counter of /proc/net/snmp6: `Udp6NoPorts`. */
  snmp6(namespace: string, name: string): number {
    const text = this.inside(namespace, 'cat', '/proc/net/snmp6');
    const found = new RegExp(`^${name}\\s+(\\d+)$`, 'm').exec(text);
    if (found === null) throw new Error(`the kernel counts no ${name}`);
    return Number(found[1]);
  }

  /** Packets and bytes on the wire that the root queueing discipline has sent, per segment. */
  queueCounters(namespace: string, name: string): { packets: number; bytes: number } {
    const text = this.inside(namespace, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', name, 'root');
    const [qdisc] = JSON.parse(text) as [{ packets: number; bytes: number }];
    return { packets: qdisc.packets, bytes: qdisc.bytes };
  }

  /** Bytes that wait in the root queueing discipline. */
  queueBacklogBytes(namespace: string, name: string): number {
    const text = this.inside(namespace, 'tc', '-s', '-j', 'qdisc', 'show', 'dev', name, 'root');
    return (JSON.parse(text) as [{ backlog: number }])[0].backlog;
  }

  inside(namespace: string, command: string, ...args: readonly string[]): string {
    return ip('netns', 'exec', namespace, command, ...args);
  }

  async tcp(client: string, server: string, exchange: TcpExchange): Promise<void> {
    const { address, port, sendBytes, replyBytes, listenPort = port } = exchange;
    const listener = await this.#background(server, 'listen', [`${listenPort}`, `${replyBytes}`]);
    const ended = once(listener, 'exit');
    const got = await this.#run(client, 'send', [address, `${port}`, `${sendBytes}`]);
    await ended;
    if (got !== replyBytes) throw new Error(`TCP reply of ${got} bytes instead of ${replyBytes}`);
  }

  /** Like `tcp`, with a server that does not read before `stalled` resolves. */
  async stalledTcp(
    client: string,
    server: string,
    exchange: TcpExchange,
    stalled: () => Promise<void>,
  ): Promise<void> {
    const { address, port, sendBytes, replyBytes } = exchange;
    const holder = await this.#background(server, 'hold', [`${port}`, `${replyBytes}`]);
    const ended = once(holder, 'exit');
    const sent = this.#run(client, 'send', [address, `${port}`, `${sendBytes}`]);
    await stalled();
    holder.stdin?.end();
    await Promise.all([ended, sent]);
  }

  /** Whether a connection can be established. */
  async tryTcp(client: string, address: string, port: number): Promise<boolean> {
    return (await this.#run(client, 'try', [address, `${port}`])) === 1;
  }

  /** Datagrams to a port on which a program listens. Returns how many were sent. */
  async udp(
    from: string,
    to: string,
    traffic: {
      readonly address: string;
      readonly port: number;
      readonly count: number;
      readonly sizeBytes: number;
      readonly perSecond?: number;
    },
  ): Promise<number> {
    const { address, port, count, sizeBytes, perSecond = 20_000 } = traffic;
    const sink = await this.#background(to, 'sink', [`${port}`]);
    const args = [address, `${port}`, `${count}`, `${sizeBytes}`, `${perSecond}`];
    const sent = await this.#run(from, 'udp', args);
    const ended = once(sink, 'exit');
    sink.stdin?.end();
    await ended;
    return sent;
  }

  /**
   * Starts a server, which lives until it is killed or the lab ends, and resolves when it has
   * printed `ready`.
   */
  async service(
    namespace: string,
    ready: RegExp,
    command: string,
    ...args: readonly string[]
  ): Promise<ChildProcess> {
    const child = spawn('ip', ['netns', 'exec', namespace, command, ...args]);
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`${command} ended: ${output}`)));
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (part: Buffer) => {
          output += part.toString();
          if (ready.test(output)) resolve();
        });
      }
    });
    return child;
  }

  /** Datagrams that may be unwanted or blocked. */
  async cast(
    from: string,
    traffic: {
      readonly address: string;
      readonly port: number;
      readonly count: number;
      readonly sizeBytes: number;
    },
  ): Promise<void> {
    const { address, port, count, sizeBytes } = traffic;
    await this.#run(from, 'cast', [address, `${port}`, `${count}`, `${sizeBytes}`]);
  }

  /** Runs a program for Node inside; `ask` sends it a line and waits for the printed answer. */
  async script(namespace: string, source: string): Promise<{ ask(line: string): Promise<string> }> {
    const args = ['netns', 'exec', namespace, process.execPath, '-e', source];
    const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    const ask = async (line: string): Promise<string> => {
      child.stdin.write(`${line}\n`);
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      return said.toString().trim();
    };
    if ((await ask('')) !== 'ready') throw new Error('the program did not start');
    return { ask };
  }

  /** Number of a process that discards UDP in the namespace until the lab ends. */
  async resident(namespace: string, port = 9): Promise<number> {
    const child = await this.#background(namespace, 'sink', [`${port}`]);
    if (child.pid === undefined) throw new Error('the process did not start');
    return child.pid;
  }

  /** Hands the datagrams of a port to IPsec until the lab ends: ESP inside UDP (RFC 3948). */
  async encapsulated(namespace: string, port: number): Promise<void> {
    await this.#background(namespace, 'encapsulated', [`${port}`]);
  }

  /** A UDP socket that nobody reads from, with the smallest possible buffer. */
  async deaf(namespace: string, port: number): Promise<void> {
    await this.#background(namespace, 'deaf', [`${port}`]);
  }

  /** Number of a process in a namespace without a name; it stays until the lab ends or `end`. */
  async container(): Promise<number> {
    const command = ['unshare', '--net', this.#tool, 'sink', '9'];
    const child = this.#spawnCommand(command);
    await this.#ready(child);
    if (child.pid === undefined) throw new Error('the process did not start');
    return child.pid;
  }

  /** Ends a process that was started here, which releases its namespace. */
  async end(pid: number): Promise<void> {
    const child = [...this.#children].find((one) => one.pid === pid);
    if (child === undefined) throw new Error(`there is no process ${pid}`);
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Raw Ethernet frames, unchanged. */
  async frames(from: string, name: string, frames: readonly Uint8Array[]): Promise<number> {
    const parts = frames.flatMap((frame) => {
      const length = Buffer.alloc(2);
      length.writeUInt16LE(frame.length);
      return [length, frame];
    });
    return this.#run(from, 'frames', [name], Buffer.concat(parts));
  }

  /** UDP frames of 64 bytes, each of its own flow; `rounds` times over. */
  async sweep(
    from: string,
    name: string,
    traffic: { readonly flows: number; readonly perSecond: number; readonly rounds?: number },
  ): Promise<number> {
    const { flows, perSecond, rounds = 1 } = traffic;
    return this.#run(from, 'sweep', [name, `${flows}`, `${perSecond}`, `${rounds}`]);
  }

  /** Sends a routing message as if it were the kernel's; returns how many sockets accepted it. */
  async forge(namespace: string, message: Uint8Array, count: number): Promise<number> {
    return this.#run(namespace, 'forge', [`${count}`], message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      const ended = once(child, 'exit');
      if (child.kill('SIGKILL')) await ended;
    }
    for (const name of this.#namespaces) ip('netns', 'del', name);
    this.#namespaces.clear();
  }

  /** Starts a command that first prints that it is ready. */
  async #background(
    namespace: string,
    command: string,
    args: readonly string[],
  ): Promise<ChildProcess> {
    const child = this.#spawn(namespace, command, args);
    await this.#ready(child);
    return child;
  }

  async #ready(child: ChildProcess): Promise<void> {
    const [first] = (await once(child.stdout!, 'data')) as [Buffer];
    if (!first.toString().startsWith('ready')) {
      throw new Error(`${child.spawnargs.join(' ')}: ${first}`);
    }
  }

  async #run(
    namespace: string,
    command: string,
    args: readonly string[],
    input?: Uint8Array,
  ): Promise<number> {
    const child = this.#spawn(namespace, command, args);
    child.stdin?.end(input);
    let output = '';
    child.stdout?.on('data', (part: Buffer) => {
      output += part.toString();
    });
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`traffic ${command} ended with ${status}`);
    return Number(output.trim());
  }

  #spawn(namespace: string, command: string, args: readonly string[]): ChildProcess {
    return this.#spawnCommand(['ip', 'netns', 'exec', namespace, this.#tool, command, ...args]);
  }

  #spawnCommand([program, ...args]: readonly string[]): ChildProcess {
    const child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }
}

export function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Compiles NAME.c of this folder if the tool is older than its source; returns its path. */
export function buildTool(name: string): string {
  const source = join(import.meta.dirname, `${name}.c`);
  const tool = join(ROOT, 'build/test', name);
  const built = statSync(tool, { throwIfNoEntry: false });
  if (built === undefined || built.mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(join(ROOT, 'build/test'), { recursive: true });
    const draft = `${tool}.${process.pid}`;
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', draft, source]);
    renameSync(draft, tool);
  }
  return tool;
}
