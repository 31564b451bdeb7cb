import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { Seen } from '../../support/net/ipfix-sender.ts';
import { type Program, startProgram } from '../../support/processes/program.ts';

/** Times as text are UTC. */
const ENV = { ...process.env, TZ: 'UTC' };

/** Resolves when a socket is bound to the UDP port. */
async function untilBound(port: number): Promise<void> {
  await expect.poll(() => queued(port), { timeout: 20_000 }).toBeDefined();
}

/** Bytes that wait in the receive buffer of a UDP port; undefined if nobody listens there. */
function queued(port: number): number | undefined {
  const local = port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of readFileSync('/proc/net/udp', 'utf8').split('\n')) {
    const [, address, , , queues] = line.trim().split(/\s+/);
    if (address?.endsWith(`:${local}`) === true) return Number.parseInt(queues!.split(':')[1]!, 16);
  }
  return undefined;
}

/** A third-party program that stores flows. */
export interface Collector {
  /** Kills it, at any point of its work. */
  kill(): Promise<void>;
  /** The stored flows, once it has read the flow with this source port, the last that was sent. */
  storedUpTo(sourcePort: number): Promise<readonly Seen[]>;
}

/** The storage of nfcapd of the nfdump package. */
export class Nfcapd implements Collector {
  readonly #folder = mkdtempSync(join(tmpdir(), 'netobserv-nfcapd-'));
  readonly #port: number;
  readonly #program: Program;

  private constructor(port: number) {
    this.#port = port;
    const where = ['-w', this.#folder, '-b', '127.0.0.1', '-p', String(port)];
    // Files rotate only at the full hour.
    this.#program = startProgram([...where, '-t', '3600'], { command: ['nfcapd'], env: ENV });
  }

  static async start(port: number): Promise<Nfcapd> {
    const collector = new Nfcapd(port);
    onTestFinished(() => collector.#remove());
    await untilBound(port);
    return collector;
  }

  /** Resolves when it has read all that has reached it. */
  async idle(): Promise<void> {
    await expect.poll(() => queued(this.#port), { timeout: 20_000, interval: 10 }).toBe(0);
  }

  /** Ends it after it has read everything; returns the flows, and its own count of gaps. */
  async stop(): Promise<{ readonly flows: readonly Stored[]; readonly sequenceErrors: number }> {
    await this.idle();
    await this.#program.stop();
    const errors = [...this.#program.output().matchAll(/Sequence Errors: (\d+)/g)];
    const flows = this.#read();
    return { flows, sequenceErrors: errors.reduce((sum, [, count]) => sum + Number(count), 0) };
  }

  async kill(): Promise<void> {
    await this.#program.stop('SIGKILL');
  }

  /** All fields that nfdump has of the flows, by its names. */
  async details(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    await this.stop();
    const args = ['-R', this.#folder, '-o', 'json'];
    const text = execFileSync('nfdump', args, { env: ENV, encoding: 'utf8' });
    return JSON.parse(text) as readonly Readonly<Record<string, unknown>>[];
  }

  async storedUpTo(): Promise<readonly Seen[]> {
    return (await this.stop()).flows;
  }

  async #remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }

  #read(): readonly Stored[] {
    const format = 'fmt:%sa|%da|%sp|%dp|%pr|%pkt|%byt|%flg|%ts|%te|%smk';
    const args = ['-R', this.#folder, '-q', '-N', '-6', '-o', format];
    const text = execFileSync('nfdump', args, { env: ENV, encoding: 'utf8', maxBuffer: 2 ** 28 });
    return text
      .split('\n')
      .filter((line) => line.includes('|'))
      .map((line) => storedOf(line.split('|').map((cell) => cell.trim())));
  }
}

/** A flow as nfdump shows it. */
export interface Stored extends Seen {
  readonly flags: string;
  readonly startMs: number;
  readonly endMs: number;
}

function storedOf(cells: readonly string[]): Stored {
  const [source, target, sourcePort, targetPort, protocol, packets, bytes, flags, start, end] =
    cells;
  return {
    source: source!,
    target: target!,
    sourcePort: Number(sourcePort),
    targetPort: Number(targetPort),
    protocol: Number(protocol),
    packets: Number(packets),
    bytes: Number(bytes),
    flags: flags!,
    startMs: Date.parse(`${start!.replace(' ', 'T')}Z`),
    endMs: Date.parse(`${end!.replace(' ', 'T')}Z`),
  };
}

/** The counts of nfacctd of the pmacct package, by addresses, ports and protocol. */
export class Nfacctd implements Collector {
  readonly #folder = mkdtempSync(join(tmpdir(), 'netobserv-nfacctd-'));
  readonly #program: Program;

  private constructor(port: number) {
    const config = join(this.#folder, 'nfacctd.conf');
    writeFileSync(
      config,
      `daemonize: false
nfacctd_ip: 127.0.0.1
nfacctd_port: ${port}
nfacctd_time_new: true
nfacctd_renormalize: true
plugins: print[p]
aggregate[p]: src_host, dst_host, src_port, dst_port, proto, tos, tcpflags, in_iface, out_iface
print_output[p]: json
print_output_file[p]: ${this.#output}
print_output_file_append[p]: true
print_refresh_time[p]: 1
print_history[p]: 1m
`,
    );
    this.#program = startProgram(['-f', config], { command: ['nfacctd'], env: ENV });
  }

  static async start(port: number): Promise<Nfacctd> {
    const collector = new Nfacctd(port);
    onTestFinished(() => collector.#remove());
    // Datagrams that arrive before its plugin, a separate process, runs are lost.
    await collector.#program.waitFor(/p\/print \): JSON: setting object handlers/);
    await untilBound(port);
    return collector;
  }

  get #output(): string {
    return join(this.#folder, 'flows.json');
  }

  /** The counts that it has written up to now, at most a second ago, by its names. */
  details(): readonly Readonly<Record<string, string | number>>[] {
    if (!existsSync(this.#output)) return [];
    return readFileSync(this.#output, 'utf8')
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, string | number>);
  }

  flows(): readonly Seen[] {
    return this.details().map(seenBy);
  }

  /** It must not listen to anything else. */
  async kill(): Promise<void> {
    await this.#program.stop('SIGKILL');
  }

  async storedUpTo(sourcePort: number): Promise<readonly Seen[]> {
    const hasRead = () => this.flows().some((flow) => flow.sourcePort === sourcePort);
    await expect.poll(hasRead, { timeout: 20_000 }).toBe(true);
    return this.flows();
  }

  async #remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true });
  }
}

const PROTOCOLS: Readonly<Record<string, number>> = { tcp: 6, udp: 17 };

function seenBy(line: Readonly<Record<string, string | number>>): Seen {
  return {
    source: String(line.ip_src),
    target: String(line.ip_dst),
    sourcePort: Number(line.port_src),
    targetPort: Number(line.port_dst),
    protocol: PROTOCOLS[String(line.ip_proto)] ?? -1,
    packets: Number(line.packets),
    bytes: Number(line.bytes),
  };
}
