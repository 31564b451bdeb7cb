import { readlinkSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { Level } from '../../base/level.ts';

/** Processes looked at before others get their turn: about a millisecond. */
const PROCESSES_PER_TURN = 128;
/** A look takes no more than this share of the time, however many processes there are. */
const LOOKING_SHARE_MAX = 1 / 50;
/** Looks that interfaces ask for are at least this far apart. */
const ASKED_PAUSE_MS = 250;
/** Bit of linux/capability.h. */
const CAP_SYS_PTRACE = 19n;
/** A container's id as its run time shortens it. */
const SHORT_ID_DIGITS = 12;

/** Network namespaces in which processes run, by inode, each with its oldest process. */
export type Residents = ReadonlyMap<number, number>;

export interface ContainerWatchDeps {
  readonly clock: Clock;
  /** Where the kernel shows processes: /proc. */
  readonly processDirectory: string;
  readonly periodMs: number;
  /** Gets everything that is there, after each look. Never called twice at a time. */
  readonly onLook: (residents: Residents) => Promise<void>;
  /** So many processes do not show their namespace; told once. */
  readonly onDenied: (processes: number, hasCapability: boolean) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Finds the network namespaces of running containers, which need not have a name: those in which
 * any process is. The kernel tells nobody that a process has begun or ended one, so this looks from
 * time to time, and when the host's side of a pair of interfaces came or went.
 *
 * Threads that are in another namespace than their process are not looked at.
 */
export class ContainerWatch {
  readonly #deps: ContainerWatchDeps;
  readonly #abort = new AbortController();
  readonly #look = new Level(() => this.#lookOnce());
  #residents: Residents = new Map();
  #tookMs = 0;
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

  /** Something has changed that may have to do with containers: looks soon. */
  ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const { clock, onError } = this.#deps;
    const soon = async (): Promise<void> => {
      await clock.sleep(ASKED_PAUSE_MS, this.#abort.signal);
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
  }

  async #repeat(): Promise<void> {
    const { clock, periodMs, onError } = this.#deps;
    while (!this.#abort.signal.aborted) {
      const pauseMs = Math.max(periodMs, this.#tookMs / LOOKING_SHARE_MAX);
      await clock.sleep(pauseMs, this.#abort.signal).catch(() => undefined);
      if (!this.#abort.signal.aborted) await this.look().catch(onError);
    }
  }

  async #lookOnce(): Promise<void> {
    const { clock, onLook } = this.#deps;
    const beganMs = clock.monotonicMs();
    const found = await this.#scan();
    // A process may have begun another one and ended while the list was read: what is missing has
    // to be missing twice.
    if ([...this.#residents.keys()].some((inode) => !found.has(inode))) {
      for (const [inode, pid] of await this.#scan()) found.set(inode, found.get(inode) ?? pid);
    }
    this.#tookMs = clock.monotonicMs() - beganMs;
    if (this.#abort.signal.aborted) return;
    this.#residents = found;
    await onLook(found);
  }

  async #scan(): Promise<Map<number, number>> {
    const { clock, processDirectory, onDenied } = this.#deps;
    const found = new Map<number, number>();
    const pids = (await readdir(processDirectory)).map(Number).filter(Number.isInteger);
    pids.sort((a, b) => a - b);
    let denied = 0;
    for (const [at, pid] of pids.entries()) {
      if (at % PROCESSES_PER_TURN === PROCESSES_PER_TURN - 1) {
        await clock.sleep(0, this.#abort.signal).catch(() => undefined);
        if (this.#abort.signal.aborted) break;
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

/** Whether this process has CAP_SYS_PTRACE. Security modules may protect processes even so. */
async function hasPtrace(processDirectory: string): Promise<boolean> {
  const status = await readFile(join(processDirectory, 'self/status'), 'utf8').catch(() => '');
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
}

/** Undefined: the process has ended. Synchronous, as a pool thread would cost ten times as much. */
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
 * What to call the namespace of a process: its container's id, as short as run times show it, or
 * else the process, as logs do: `nginx[1234]`.
 */
export async function nameOfResident(processDirectory: string, pid: number): Promise<string> {
  const read = (file: string): Promise<string> =>
    readFile(join(processDirectory, String(pid), file), 'utf8').catch(() => '');
  // A container inside another one has the inner id last.
  const id = (await read('cgroup')).match(/[0-9a-f]{64}/g)?.at(-1);
  if (id !== undefined) return id.slice(0, SHORT_ID_DIGITS);
  const command = (await read('comm')).trim();
  return `${command === '' ? 'process' : command}[${pid}]`;
}
