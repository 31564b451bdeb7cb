import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { aborted } from '../../base/aborted.ts';
import type { Clock } from '../../base/clock.ts';
import { explain, hasCode, NetobservError } from '../../base/errors.ts';
import { Level } from '../../base/level.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import { hooksReadiness } from '../readiness.ts';
import { ContainerWatch, type Look, nameOfResident } from './containers.ts';
import type { HookGuard } from './guard.ts';
import type { HookFacts } from './hook-facts.ts';
import { type HookTally, newTally } from './hook-tally.ts';
import type { InterfaceNames } from './names.ts';
import { type HookKeeper, TrackedNamespace } from './namespace.ts';
import { type NamedNamespaces, NamespaceWatch } from './namespaces.ts';
import { InterfaceRooms, NOBODY_KNOWS, type Residents, ROOT } from './residents.ts';
import type { InterfaceRow } from './row.ts';
import { compileRules, type InterfaceRules, missingNames } from './rules.ts';
import type { SocketHub } from './socket-hub.ts';

const OWN_NAMESPACE = '/proc/self/ns/net';
/** How often hooks are checked: whether ours are still there, and who else is. */
const LOOK_PERIOD_MS = 10_000;

/** Errors from opening the namespace of a process, or of a name, that is gone. */
const GONE = ['ENOENT', 'ESRCH', 'EINVAL'];
const NO_PTRACE =
  'processes do not show their network namespace without the capability SYS_PTRACE: ' +
  'containers are seen only if their namespace has a name';

const NO_ADMIN =
  'other network namespaces than the own one cannot be watched without the capability SYS_ADMIN';

/** A namespace by its inode, a missing permission, or a user with too many namespaces. */
type Told = number | 'permission' | `room of ${number}`;

export type InterfaceTrackerConfig = Pick<
  AgentConfig,
  | 'interfaces'
  | 'excludeInterfaces'
  | 'interfaceIps'
  | 'listenInterfaces'
  | 'listenPollPeriodMs'
  | 'listenContainersPeriodMs'
>;

export interface InterfaceTrackerDeps {
  readonly native: Native;
  readonly hub: SocketHub;
  readonly hooks: HookKeeper;
  readonly facts: HookFacts;
  readonly guard: HookGuard;
  readonly names: InterfaceNames;
  readonly namespaceDirectory: string;
  readonly processDirectory: string;
  /** The start fails if none of INTERFACES exists. */
  readonly isInteractive: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** A namespace that should be watched: it has names, or processes, or both. */
interface Wanted {
  readonly path: string;
  readonly names: readonly string[];
  /** The oldest process in it. */
  readonly pid: number | undefined;
}

/**
 * Keeps hooks on every interface that the rules select: in the host's network namespace, in
 * namespaces with a name and in those of running processes.
 */
export class InterfaceTracker {
  readonly #config: InterfaceTrackerConfig;
  readonly #deps: InterfaceTrackerDeps;
  readonly #rules: InterfaceRules;
  /** Namespaces by inode, which is unique while they are held open. */
  readonly #namespaces = new Map<number, TrackedNamespace>();
  /** Namespaces whose hooks are still being detached. */
  readonly #closing = new Map<number, Promise<void>>();
  readonly #level = new Level(() => this.#reconcile());
  /** Lasting failures that were logged, each once: for one namespace by its inode. */
  readonly #told = new Set<Told>();
  #named: NamedNamespaces = new Map();
  readonly #rooms = new InterfaceRooms();
  #residents: Residents = new Map();
  #owners: ReadonlyMap<number, number> = new Map();
  #residentsLeftOut = 0;
  #namesLeftOut = 0;
  #watch: NamespaceWatch | undefined;
  #containers: ContainerWatch | undefined;
  #polling: Disposable | undefined;
  #looking: Disposable | undefined;
  readonly #look = new Level(() => this.#lookAtHooks());
  #reporting = false;

  constructor(config: InterfaceTrackerConfig, deps: InterfaceTrackerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#rules = compileRules(config);
  }

  /** Resolves when every interface that is there now has its hooks, or `signal` is aborted. */
  async start(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const follow = this.#config.listenInterfaces === 'watch';
    // Its hooks are being attached before anything else is searched.
    await this.#add(OWN_NAMESPACE);
    for (const own of this.#namespaces.values()) await own.looked();
    await this.#watchNames(follow);
    await this.#watchContainers();
    if (!follow) {
      this.#polling = clock.every(this.#config.listenPollPeriodMs, () => this.#poll());
    }
    this.#looking = clock.every(LOOK_PERIOD_MS, () => void this.#look.request());
    this.#checkNames();
    const settled = [...this.#namespaces.values()].map((namespace) => namespace.settled());
    await Promise.race([Promise.all(settled), aborted(signal)]);
  }

  /** Detaches all hooks and closes everything that was opened. */
  async stop(): Promise<void> {
    this.#polling?.[Symbol.dispose]();
    this.#looking?.[Symbol.dispose]();
    await this.#look.idle();
    await this.#containers?.stop();
    await this.#watch?.stop();
    await this.#level.idle();
    for (const inode of [...this.#namespaces.keys()]) this.#drop(inode);
    await Promise.all(this.#closing.values());
    this.#report();
  }

  rows(): readonly InterfaceRow[] {
    return [...this.#namespaces.values()].flatMap((namespace) => namespace.rows());
  }

  readiness(): HealthState {
    const note = this.#deps.guard.company.describe();
    return hooksReadiness({
      ...this.#tally(),
      namespacesLeftOut: this.#namespacesLeftOut,
      company: note,
    });
  }

  async #watchNames(follow: boolean): Promise<void> {
    const { clock, namespaceDirectory: directory } = this.#deps;
    const own = await stat(OWN_NAMESPACE);
    this.#watch = new NamespaceWatch({
      clock,
      directory,
      namespaceDevice: own.dev,
      onChange: (names, leftOut) => {
        this.#namesLeftOut = leftOut;
        // The namespace may or may not live on without the name.
        if ([...this.#named.keys()].some((name) => !names.has(name))) this.#containers?.ask();
        this.#named = names;
        return this.#level.request();
      },
      onError: (error) => this.#failed('namespaces could not be followed', error),
    });
    await this.#watch.start(follow);
  }

  async #watchContainers(): Promise<void> {
    const { clock, processDirectory, log, native, hub } = this.#deps;
    const { listenContainersPeriodMs: periodMs } = this.#config;
    if (periodMs === 0) return;
    this.#containers = new ContainerWatch({
      clock,
      processDirectory,
      periodMs,
      ownerOf: (pid) => native.namespaceOwner(this.#pathOf(pid)),
      named: () => new Set([...this.#named.values()].map(({ inode }) => inode)),
      watchProcess: (pid, onEnd) => hub.addProcess(pid, onEnd),
      onLook: (look) => this.#onLook(look),
      onDenied: (processes, hasCapability) => {
        if (hasCapability) log.debug({ processes }, 'some processes hide their network namespace');
        else log.warn({ processes }, NO_PTRACE);
      },
      onError: (error) => this.#failed('containers could not be looked for', error),
    });
    await this.#containers.start();
  }

  #onLook({ residents, owners, leftOut }: Look): Promise<void> {
    this.#residents = residents;
    this.#owners = owners;
    this.#residentsLeftOut = [...leftOut.values()].reduce((sum, count) => sum + count, 0);
    for (const [user, count] of leftOut) {
      this.#tellOnce(`room of ${user}`, `${count} network namespaces of user ${user} are left out`);
    }
    if (leftOut.size === 0) {
      for (const what of this.#told) if (isAboutRoom(what)) this.#told.delete(what);
    }
    return this.#level.request();
  }

  #poll(): void {
    for (const namespace of this.#namespaces.values()) namespace.refresh();
    void this.#watch?.scan();
  }

  /** One namespace after another: nothing waits for this. */
  async #lookAtHooks(): Promise<void> {
    for (const namespace of [...this.#namespaces.values()]) await namespace.look();
  }

  /** Makes the watched namespaces match the present names and processes. */
  async #reconcile(): Promise<void> {
    const wanted = this.#wanted();
    for (const [inode, namespace] of this.#namespaces) {
      if (!namespace.isOwn && !wanted.has(inode)) this.#drop(inode);
    }
    for (const what of this.#told) {
      if (typeof what === 'number' && !wanted.has(what)) this.#told.delete(what);
    }
    for (const [inode, one] of wanted) {
      const known = this.#namespaces.get(inode);
      if (known === undefined) await this.#tryAdd(inode, one);
      else if (!known.isOwn) await this.#rename(known, one);
    }
    this.#report();
  }

  #wanted(): Map<number, Wanted> {
    const wanted = new Map<number, Wanted>();
    for (const [name, { path, inode }] of this.#named) {
      const names = [...(wanted.get(inode)?.names ?? []), name];
      wanted.set(inode, { path, names, pid: this.#residents.get(inode) });
    }
    for (const [inode, pid] of this.#residents) {
      if (!wanted.has(inode)) wanted.set(inode, { path: this.#pathOf(pid), names: [], pid });
    }
    return wanted;
  }

  #pathOf(pid: number): string {
    return join(this.#deps.processDirectory, String(pid), 'ns/net');
  }

  async #tryAdd(inode: number, { path, names, pid }: Wanted): Promise<void> {
    const name = names[0] ?? (await this.#nameOf(pid));
    try {
      await this.#add(path, name, { inode, hasName: names.length > 0 });
    } catch (error) {
      const cause = error instanceof NetobservError ? error.cause : undefined;
      // It went away between the look and now: the next look notices.
      if (GONE.some((code) => hasCode(cause, code))) return;
      if (hasCode(cause, 'EPERM')) this.#tellOnce('permission', NO_ADMIN);
      else this.#tellOnce(inode, `namespace ${name} cannot be watched`, error);
    }
  }

  /** Its name may have come after its processes were seen, or gone before them. */
  async #rename(namespace: TrackedNamespace, { names, pid }: Wanted): Promise<void> {
    if (names.length > 0) {
      if (!names.includes(namespace.name)) namespace.rename(names[0]!, true);
    } else if (namespace.hasName) {
      namespace.rename(await this.#nameOf(pid), false);
    }
  }

  /** `name` is undefined for the process's own namespace. */
  async #add(
    path: string,
    name?: string,
    meant?: { readonly inode: number; readonly hasName: boolean },
  ): Promise<void> {
    const { native, names } = this.#deps;
    let opened: ReturnType<Native['openNamespace']>;
    try {
      opened = native.openNamespace(path);
    } catch (cause) {
      throw new NetobservError(AGENT_ERRORS.namespace, `cannot open ${path}`, { cause });
    }
    // The name or process may stand for another namespace by now: the next look notices.
    if (this.#namespaces.has(opened.inode) || opened.inode !== (meant?.inode ?? opened.inode)) {
      native.closeFd(opened.fd);
      return;
    }
    await this.#closing.get(opened.inode);
    const namespace = new TrackedNamespace({
      ...this.#deps,
      rules: this.#rules,
      follow: this.#config.listenInterfaces === 'watch',
      name,
      hasName: meant?.hasName ?? false,
      room: this.#rooms.of(this.#ownerOf(meant)),
      fd: opened.fd,
      space: names.exact ? Number(BigInt.asUintN(32, BigInt(opened.cookie))) : opened.inode,
      onChange: () => this.#reportSoon(),
      onPeer: () => this.#containers?.ask(),
    });
    this.#namespaces.set(opened.inode, namespace);
    try {
      await namespace.open();
    } catch (error) {
      this.#drop(opened.inode);
      throw error;
    }
  }

  /** Only root gives names, and starts this process. */
  #ownerOf(meant: { readonly inode: number; readonly hasName: boolean } | undefined): number {
    if (meant === undefined || meant.hasName) return ROOT;
    return this.#owners.get(meant.inode) ?? NOBODY_KNOWS;
  }

  #drop(inode: number): void {
    const namespace = this.#namespaces.get(inode);
    if (namespace === undefined) return;
    this.#namespaces.delete(inode);
    const closing = namespace.close().finally(() => this.#closing.delete(inode));
    this.#closing.set(inode, closing);
  }

  /** Configured names that exist nowhere are mistakes, or belong to future interfaces. */
  #checkNames(): void {
    const known = [...this.#namespaces.values()].flatMap((one) => one.linkNames());
    const { isInteractive, log } = this.#deps;
    const missing = missingNames(this.#config.interfaces, new Set(known), isInteractive);
    if (missing.length > 0)
      log.warn({ interfaces: missing }, 'interfaces asked for do not exist yet');
  }

  #nameOf(pid: number | undefined): Promise<string> {
    return nameOfResident(this.#deps.processDirectory, pid ?? 0);
  }

  /** Many changes come together: they are counted together. */
  #reportSoon(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    queueMicrotask(() => {
      this.#reporting = false;
      this.#report();
    });
  }

  get #namespacesLeftOut(): number {
    return this.#residentsLeftOut + this.#namesLeftOut;
  }

  #report(): void {
    const { interfaceBufferSize, interfacesLeftOut, namespacesLeftOut } = this.#deps.metrics;
    const tally = this.#tally();
    interfaceBufferSize.set({ name: 'watcher' }, tally.links);
    interfaceBufferSize.set({ name: 'registerer' }, tally.hooked);
    interfaceBufferSize.set({ name: 'qdiscs' }, tally.qdiscs);
    interfaceBufferSize.set({ name: 'ingress-tcx-links' }, tally.ingressTcx);
    interfaceBufferSize.set({ name: 'egress-tcx-links' }, tally.egressTcx);
    interfacesLeftOut.set(tally.leftOut);
    namespacesLeftOut.set(this.#namespacesLeftOut);
  }

  #tally(): HookTally {
    const tally = newTally();
    for (const namespace of this.#namespaces.values()) namespace.tally(tally);
    return tally;
  }

  #tellOnce(what: Told, message: string, error?: unknown): void {
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#deps.metrics.error('InterfaceEvents', 'Attach:CantSetNetNS-A', 'low');
    this.#failed(message, error);
  }

  #failed(message: string, error: unknown): void {
    this.#deps.log.warn(error === undefined ? {} : { error: explain(error) }, message);
  }
}

function isAboutRoom(what: Told): boolean {
  return typeof what === 'string' && what.startsWith('room');
}
