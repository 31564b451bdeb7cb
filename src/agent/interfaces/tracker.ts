import { stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { Direction, HookMode, Hooks } from '../loader/hooks.ts';
import type { Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { InterfaceNames } from './names.ts';
import { TrackedNamespace } from './namespace.ts';
import { type NamedNamespaces, NamespaceWatch } from './namespaces.ts';
import { compileRules, type InterfaceRules } from './rules.ts';
import type { SocketHub } from './socket-hub.ts';

const OWN_NAMESPACE = '/proc/self/ns/net';

/** One watched interface. */
export interface InterfaceRow {
  readonly name: string;
  readonly index: number;
  /** Name of the network namespace, empty for the host's. */
  readonly namespace: string;
  readonly mode: HookMode;
  readonly directions: readonly Direction[];
}

export type TrackerConfig = Pick<
  AgentConfig,
  'interfaces' | 'excludeInterfaces' | 'interfaceIps' | 'listenInterfaces' | 'listenPollPeriodMs'
>;

export interface TrackerDeps {
  readonly native: Native;
  readonly hub: SocketHub;
  readonly hooks: Pick<Hooks, 'attach' | 'detach'>;
  readonly names: InterfaceNames;
  /** False: hooks do not know their namespace. */
  readonly knowsNamespaces: boolean;
  readonly namespaceDirectory: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: AgentMetrics;
}

/** Keeps hooks on every interface that the rules want, in the host's and all named namespaces. */
export class InterfaceTracker {
  readonly #config: TrackerConfig;
  readonly #deps: TrackerDeps;
  readonly #rules: InterfaceRules;
  /** By inode, which tells namespaces apart for as long as they are held open. */
  readonly #namespaces = new Map<number, TrackedNamespace>();
  #watch: NamespaceWatch | undefined;
  #polling: Disposable | undefined;

  constructor(config: TrackerConfig, deps: TrackerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#rules = compileRules(config);
  }

  /** Resolves when every interface that is there now has its hooks. */
  async start(): Promise<void> {
    const { clock, namespaceDirectory } = this.#deps;
    const follow = this.#config.listenInterfaces === 'watch';
    await this.#add(OWN_NAMESPACE, undefined);
    const own = await stat(OWN_NAMESPACE);
    this.#watch = new NamespaceWatch({
      clock,
      directory: namespaceDirectory,
      namespaceDevice: own.dev,
      onChange: (names) => this.#reconcile(names),
      onError: (error) => this.#failed('namespaces could not be followed', error),
    });
    await this.#watch.start(follow);
    if (!follow) {
      this.#polling = clock.every(this.#config.listenPollPeriodMs, () => this.#poll());
    }
    this.#checkNames();
  }

  /** Takes all hooks off and closes what was opened. */
  async stop(): Promise<void> {
    this.#polling?.[Symbol.dispose]();
    await this.#watch?.stop();
    for (const namespace of this.#namespaces.values()) await namespace.close();
    this.#namespaces.clear();
    this.#report();
  }

  rows(): readonly InterfaceRow[] {
    return [...this.#namespaces.values()].flatMap((namespace) => namespace.rows());
  }

  #poll(): void {
    for (const namespace of this.#namespaces.values()) namespace.refresh();
    void this.#watch?.scan();
  }

  async #reconcile(names: NamedNamespaces): Promise<void> {
    const present = new Map<number, string[]>();
    for (const [name, { inode }] of names) {
      present.set(inode, [...(present.get(inode) ?? []), name]);
    }
    for (const [inode, namespace] of [...this.#namespaces]) {
      if (namespace.isOwn || present.has(inode)) continue;
      this.#namespaces.delete(inode);
      await namespace.close();
    }
    for (const [name, { path, inode }] of names) {
      if (this.#namespaces.has(inode)) continue;
      try {
        await this.#add(path, name);
      } catch (error) {
        this.#deps.metrics.error('InterfaceEvents', 'Attach:CantSetNetNS-A', 'high');
        this.#failed(`namespace ${name} cannot be watched`, error);
      }
    }
    this.#report();
  }

  /** `name` is undefined for the process's own namespace. */
  async #add(path: string, name: string | undefined): Promise<void> {
    const { native } = this.#deps;
    let opened: ReturnType<Native['openNamespace']>;
    try {
      opened = native.openNamespace(path);
    } catch (cause) {
      throw new NetobservError(AGENT_ERRORS.namespace, `cannot open ${path}`, { cause });
    }
    if (this.#namespaces.has(opened.inode)) {
      native.closeFd(opened.fd);
      return;
    }
    const namespace = new TrackedNamespace({
      ...this.#deps,
      rules: this.#rules,
      follow: this.#config.listenInterfaces === 'watch',
      name,
      fd: opened.fd,
      cookie: this.#deps.knowsNamespaces ? Number(BigInt.asUintN(32, BigInt(opened.cookie))) : 0,
      onChange: () => this.#report(),
    });
    this.#namespaces.set(opened.inode, namespace);
    try {
      await namespace.open();
    } catch (error) {
      this.#namespaces.delete(opened.inode);
      await namespace.close();
      throw error;
    }
  }

  /** Names that were asked for and are nowhere are most likely mistakes. */
  #checkNames(): void {
    const wanted = this.#config.interfaces.filter((text) => !/^\/.*\/$/s.test(text));
    const known = new Set([...this.#namespaces.values()].flatMap((one) => one.linkNames()));
    const missing = wanted.filter((name) => !known.has(name));
    if (missing.length === 0) return;
    if (missing.length === this.#config.interfaces.length) {
      throw new NetobservError(
        AGENT_ERRORS.option,
        `INTERFACES: there is no interface ${missing.join(', ')}; there are ${[...known].sort().join(', ')}`,
        { details: { variable: 'INTERFACES', missing } },
      );
    }
    this.#deps.log.warn({ interfaces: missing }, 'interfaces asked for do not exist yet');
  }

  #report(): void {
    const { interfaceBufferSize } = this.#deps.metrics;
    const rows = this.rows();
    const links = [...this.#namespaces.values()].reduce((sum, one) => sum + one.linkCount, 0);
    interfaceBufferSize.set({ name: 'watcher' }, links);
    interfaceBufferSize.set({ name: 'registerer' }, rows.length);
  }

  #failed(message: string, error: unknown): void {
    this.#deps.log.warn({ error: explain(error) }, message);
  }
}
