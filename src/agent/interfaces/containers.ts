import { readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import { Level } from '../../base/level.ts';
import { printable } from '../../base/printable.ts';
import { chooseResidents, type Residents } from './residents.ts';

/** Processes examined before others have their turn: about a millisecond. */
const PROCESSES_PER_TURN = 128;
/** A look takes at most this share of the time, however many processes there are … */
const LOOKING_SHARE_MAX = 1 / 50;
/** … but no pause is longer than this: a flood of processes must not hide a new container long. */
const PAUSE_MAX_MS = 15_000;
/** Share of looks that others trigger, so that nobody can make looking take all the time. */
const ASKED_SHARE_MAX = 1 / 10;
/** A requested look waits at most this long, unless looks take longer than that share allows. */
const ASKED_PAUSE_MS = 250;
/** Several processes end together, and several interfaces come together. */
const SETTLE_MS = 20;
/** Bit number in linux/capability.h. */
const CAP_SYS_PTRACE = 19n;
/** Length to which runtimes shorten a container's id. */
const SHORT_ID_DIGITS = 12;

/** The result of a look. */
export interface Look {
  readonly residents: Residents;
  /** Users by the inode of their namespace. */
  readonly owners: ReadonlyMap<number, number>;
  /** How many namespaces of each user did not fit. */
  readonly leftOut: ReadonlyMap<number, number>;
}

export interface ContainerWatchDeps {
  readonly clock: Clock;
  /** Directory in which the kernel shows processes: /proc. */
  readonly processDirectory: string;
  readonly periodMs: number;
  /** The user who owns the namespace of a process; throws when the kernel does not show it. */
  readonly ownerOf: (pid: number) => number;
  /** Namespaces that are watched for their names. */
  readonly named: () => ReadonlySet<number>;
  /** Reports the end of a process; throws when the process is already gone. */
  readonly watchProcess: (pid: number, onEnd: () => void) => Disposable;
  /** Receives all namespaces after each look. Calls never overlap. */
  readonly onLook: (look: Look) => Promise<void>;
  /** Called once, with the number of processes that do not show their namespace. */
  readonly onDenied: (processes: number, hasCapability: boolean) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Finds the network namespaces of running containers, which need not have a name: those that
 * contain any process. The kernel does not report a new namespace, so this looks from time to time,
 * when the host's side of a pair of interfaces came or went, and when the oldest process of a
 * namespace has ended: it may have been the last one, and nobody else may keep the namespace alive.
 *
 * Threads in another namespace than their process are not examined.
 */
export class ContainerWatch {
  readonly #deps: ContainerWatchDeps;
  readonly #abort = new AbortController();
  readonly #look = new Level(() => this.#lookOnce());
  readonly #owners = new Map<number, number>();
  /** Watches the end of the oldest process of each chosen namespace. */
  readonly #ends = new Map<number, { readonly pid: number; readonly watch: Disposable }>();
  #residents: Residents = new Map();
  /** Duration of the last look, without the turns of others. */
  #tookMs = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  /** The current look: when its turn began, and the length of its earlier turns. */
  #turnMs = 0;
  #workMs = 0;
  #told = false;
  #asked = false;

  constructor(deps: ContainerWatchDeps) {
    this.#deps = deps;
  }

  /** Resolves after the first look. */
  async start(): Promise<void> {
    await this.look().catch(this.#deps.onError);
    void this.#repeat();
  }

  /** Looks now; joins a look that is under way by making it look once more. */
  look(): Promise<void> {
    return this.#look.request();
  }

  /** Looks soon, because something has changed that may concern containers. */
  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const { clock, onError } = this.#deps;
    const pauseMs = Math.max(ASKED_PAUSE_MS, this.#tookMs / ASKED_SHARE_MAX);
    const waitMs = Math.max(SETTLE_MS, this.#lookedAtMs + pauseMs - clock.monotonicMs());
    const soon = async (): Promise<void> => {
      await clock.sleep(waitMs, this.#abort.signal);
      this.#asked = false;
      await this.look();
    };
    soon().catch((error) => {
      if (!this.#abort.signal.aborted) onError(error);
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#look.idle();
    for (const { watch } of this.#ends.values()) watch[Symbol.dispose]();
    this.#ends.clear();
  }

  async #repeat(): Promise<void> {
    const { clock, periodMs, onError } = this.#deps;
    while (!this.#abort.signal.aborted) {
      const share = Math.min(this.#tookMs / LOOKING_SHARE_MAX, PAUSE_MAX_MS);
      const pauseMs = Math.max(periodMs, share);
      await clock.sleep(pauseMs, this.#abort.signal).catch(() => undefined);
      if (!this.#abort.signal.aborted) await this.look().catch(onError);
    }
  }

  async #lookOnce(): Promise<void> {
    const { clock, onLook } = this.#deps;
    this.#turnMs = clock.monotonicMs();
    // A request during a look waits as long as a request after it.
    this.#lookedAtMs = this.#turnMs;
    this.#workMs = 0;
    const found = await this.#scan();
    // A process may have started another one and ended while the list was read: a namespace has to
    // be missing twice.
    if ([...this.#residents.keys()].some((inode) => !found.has(inode))) {
      for (const [inode, pid] of await this.#scan()) found.set(inode, found.get(inode) ?? pid);
    }
    await this.#learnOwners(found);
    this.#lookedAtMs = clock.monotonicMs();
    this.#tookMs = this.#workMs + this.#lookedAtMs - this.#turnMs;
    if (this.#abort.signal.aborted) return;
    this.#residents = found;
    const owners = this.#owners;
    const named = this.#deps.named();
    const { residents, leftOut } = chooseResidents({ residents: found, owners, named });
    this.#followEnds(residents);
    await onLook({ residents, owners, leftOut });
  }

  /** A namespace has the same owner for its whole life. */
  async #learnOwners(found: Residents): Promise<void> {
    const { ownerOf } = this.#deps;
    for (const inode of this.#owners.keys()) {
      if (!found.has(inode)) this.#owners.delete(inode);
    }
    let asked = 0;
    for (const [inode, pid] of found) {
      if (this.#owners.has(inode)) continue;
      if (++asked % PROCESSES_PER_TURN === 0 && (await this.#isStoppedMeanwhile())) return;
      try {
        this.#owners.set(inode, ownerOf(pid));
      } catch {
        // The process has ended, or the kernel denies access: the next process is tried.
      }
    }
  }

  #followEnds(residents: Residents): void {
    for (const [inode, { pid, watch }] of this.#ends) {
      if (residents.get(inode) === pid) continue;
      watch[Symbol.dispose]();
      this.#ends.delete(inode);
    }
    for (const [inode, pid] of residents) {
      if (this.#ends.has(inode)) continue;
      try {
        const watch = this.#deps.watchProcess(pid, () => this.ask());
        this.#ends.set(inode, { pid, watch });
      } catch (error) {
        // It has ended since, or the kernel has no such descriptors (before Linux 5.3); the next
        // periodic look notices.
        if (hasCode(error, 'ESRCH')) this.ask();
      }
    }
  }

  /** Yields to others. */
  async #isStoppedMeanwhile(): Promise<boolean> {
    const { clock } = this.#deps;
    this.#workMs += clock.monotonicMs() - this.#turnMs;
    await clock.sleep(0, this.#abort.signal).catch(() => undefined);
    this.#turnMs = clock.monotonicMs();
    return this.#abort.signal.aborted;
  }

  async #scan(): Promise<Map<number, number>> {
    const { processDirectory, onDenied } = this.#deps;
    const found = new Map<number, number>();
    const pids = (await readdir(processDirectory)).map(Number).filter(Number.isInteger);
    pids.sort((a, b) => a - b);
    let denied = 0;
    for (const [at, pid] of pids.entries()) {
      if (
        at % PROCESSES_PER_TURN === PROCESSES_PER_TURN - 1 &&
        (await this.#isStoppedMeanwhile())
      ) {
        break;
      }
      const inode = inodeOf(join(processDirectory, String(pid), 'ns/net'));
      if (inode === 'denied') denied++;
      else if (inode !== undefined && !found.has(inode)) found.set(inode, pid);
    }
    if (denied > 0 && !this.#told) {
      this.#told = true;
      onDenied(denied, await hasPtrace(processDirectory));
    }
    return found;
  }
}

/** Whether this process has CAP_SYS_PTRACE. Security modules may still protect processes. */
async function hasPtrace(processDirectory: string): Promise<boolean> {
  const status = await readFile(join(processDirectory, 'self/status'), 'utf8').catch(() => '');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
}

/** Undefined: the process has ended. Synchronous: a pool thread would cost ten times as much. */
function inodeOf(path: string): number | 'denied' | undefined {
  try {
    const [, inode] = /^net:\[(\d+)\]$/.exec(readlinkSync(path)) ?? [];
    return inode === undefined ? undefined : Number(inode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? 'denied' : undefined;
  }
}

/**
 * Name of the namespace of a process: its container's id, shortened as by runtimes, or else the
 * process, as in logs: `nginx[1234]`.
 */
export async function nameOfResident(processDirectory: string, pid: number): Promise<string> {
  const read = (file: string): Promise<string> =>
    readFile(join(processDirectory, String(pid), file), 'utf8').catch(() => '');
  // A container inside another one has the inner id last.
  const id = (await read('cgroup')).match(/[0-9a-f]{64}/g)?.at(-1);
  if (id !== undefined) return id.slice(0, SHORT_ID_DIGITS);
  // A process can choose any name, including new lines.
  const command = printable((await read('comm')).replace(/\n$/, ''));
  return `${command === '' ? 'process' : command}[${pid}]`;
}
