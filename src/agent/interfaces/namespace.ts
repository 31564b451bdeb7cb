import type { Clock } from '../../base/clock.ts';
import { runAll } from '../../base/run-all.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Hook, Hooks, HookTarget } from '../loader/hooks.ts';
import type { Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import { framingOf, type Link } from './link.ts';
import { LinkMonitor } from './link-monitor.ts';
import type { InterfaceNames } from './names.ts';
import type { InterfaceRoom } from './residents.ts';
import type { InterfaceRules } from './rules.ts';
import type { SocketHub } from './socket-hub.ts';
import type { InterfaceRow } from './tracker.ts';

export interface TrackedNamespaceDeps {
  readonly native: Native;
  readonly clock: Clock;
  readonly hub: SocketHub;
  readonly hooks: Pick<Hooks, 'attach' | 'detach'>;
  readonly names: InterfaceNames;
  readonly rules: InterfaceRules;
  readonly log: Log;
  readonly metrics: AgentMetrics;
  readonly follow: boolean;
  /** Undefined for the process's own namespace. */
  readonly name: string | undefined;
  /** False: `name` was made up from the processes in it. */
  readonly hasName: boolean;
  /** Descriptor of the namespace, owned from here on. It keeps the namespace alive: no longer than
   * its name or its processes are there. */
  readonly fd: number;
  /** What tells the namespace apart in `names`. */
  readonly space: number;
  /** For the interfaces that get hooks here. */
  readonly room: InterfaceRoom;
  readonly onChange: () => void;
  /** The end of a pair of interfaces whose other end is in another namespace came or went. */
  readonly onPeer: () => void;
}

/** An interface that has hooks, or is getting them. */
interface Hooked {
  target: HookTarget;
  readonly hooks: Hook[];
  readonly abort: AbortController;
  attaching: Promise<void>;
  /** All attempts are over, and not every hook is there. */
  hasFailed: boolean;
}

/** What is counted over all namespaces. */
export interface HookTally {
  /** Interfaces that hooks are on, or on their way to. */
  wanted: number;
  links: number;
  /** Wanted ones that there is no room for. */
  leftOut: number;
  hooked: number;
  qdiscs: number;
  ingressTcx: number;
  egressTcx: number;
}

/** One network namespace: its interfaces and the hooks on them. */
export class TrackedNamespace {
  readonly #deps: TrackedNamespaceDeps;
  readonly #monitor: LinkMonitor;
  readonly #hooked = new Map<number, Hooked>();
  /** Hooks on their way out, by interface: new ones wait for them. */
  readonly #leaving = new Map<number, Promise<void>>();
  /** Interfaces that there is no room for; they get hooks when others go. */
  readonly #leftOut = new Set<number>();
  #isClosing = false;
  #name: string;
  #hasName: boolean;
  #hasRefused = false;

  constructor(deps: TrackedNamespaceDeps) {
    this.#deps = deps;
    this.#name = deps.name ?? '';
    this.#hasName = deps.hasName;
    this.#monitor = new LinkMonitor({
      native: deps.native,
      clock: deps.clock,
      hub: deps.hub,
      netns: this.#netns,
      watch: deps.follow,
      addresses: deps.rules.needsAddresses,
      onChange: (index) => this.#reconcile(index),
      onPeer: deps.onPeer,
      onRefused: (messages) => this.#refused(messages),
      onLoss: (reason) => {
        deps.metrics.netlinkLosses.inc({ reason });
        deps.log.warn(
          { namespace: this.name, reason },
          'interface messages lost: reading all again',
        );
      },
    });
  }

  get isOwn(): boolean {
    return this.#deps.name === undefined;
  }

  /** Empty for the process's own namespace. */
  get name(): string {
    return this.#name;
  }

  /** False: `name` is made up from the processes in it. */
  get hasName(): boolean {
    return this.#hasName;
  }

  rename(name: string, isItsName: boolean): void {
    this.#name = name;
    this.#hasName = isItsName;
    for (const hooked of this.#hooked.values()) {
      hooked.target = { ...hooked.target, namespace: name };
    }
  }

  linkNames(): readonly string[] {
    return [...this.#monitor.links.values()].map((link) => link.name);
  }

  /** Resolves when the interfaces that are there are known; their hooks are on the way. */
  async open(): Promise<void> {
    await this.#monitor.open();
    this.#deps.metrics.interfaceEvent('reg_subscribed', this.#label(), 0);
  }

  /** Resolves when the interfaces known now have their hooks, or have failed to get them. */
  async settled(): Promise<void> {
    const attaching = [...this.#hooked.values()].map((hooked) => hooked.attaching);
    await Promise.all([...attaching, ...this.#leaving.values()]);
  }

  refresh(): void {
    this.#monitor.refresh();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await runAll([
      () => this.#monitor.close(),
      ...[...this.#hooked.keys()].map((index) => () => this.#unhook(index)),
      // Hooks take their time to go, and need no descriptor of ours: what was moved into the
      // namespace comes back as soon as nobody holds it.
      () => this.#deps.native.closeFd(this.#deps.fd),
      () => this.settled(),
    ]);
    this.#deps.metrics.interfaceEvent('reg_unsubscribed', this.#label(), 0);
  }

  rows(): readonly InterfaceRow[] {
    const rows: InterfaceRow[] = [];
    for (const { target, hooks } of this.#hooked.values()) {
      const mode = hooks[0]?.mode;
      if (mode === undefined) continue;
      rows.push({
        name: target.name,
        index: target.index,
        namespace: target.namespace,
        mode,
        directions: hooks.map((hook) => hook.direction),
      });
    }
    return rows;
  }

  tally(into: HookTally): void {
    into.links += this.#monitor.links.size;
    into.wanted += this.#hooked.size;
    into.leftOut += this.#leftOut.size;
    for (const { hooks } of this.#hooked.values()) {
      if (hooks.length === 0) continue;
      into.hooked++;
      let hasQdisc = false;
      for (const { mode, direction } of hooks) {
        if (mode === 'tc') hasQdisc = true;
        else if (direction === 'ingress') into.ingressTcx++;
        else into.egressTcx++;
      }
      if (hasQdisc) into.qdiscs++;
    }
  }

  /** Makes what is attached agree with what the interface now is. */
  #reconcile(index: number): void {
    const { rules, names, space } = this.#deps;
    const link = this.#monitor.links.get(index);
    const hooked = this.#hooked.get(index);
    const target = link === undefined ? undefined : this.#targetOf(link);

    if (hooked !== undefined) {
      const same = target?.framing === hooked.target.framing;
      // An interface that went down keeps its hooks: no packet passes, and none is missed later.
      if (link !== undefined && target !== undefined && same && rules.wants(link)) {
        hooked.target = target;
        names.set(space, index, link.name, link.mac);
        if (hooked.hasFailed && link.up) this.#attach(hooked);
        return;
      }
      this.#unhook(index);
    }
    this.#leftOut.delete(index);
    if (link?.up !== true || target === undefined || !rules.wants(link)) return;
    this.#hook(target);
  }

  #hook(target: HookTarget): void {
    const { index, name, mac } = target;
    if (!this.#deps.room.take()) {
      this.#leaveOut(index);
      return;
    }
    this.#deps.names.set(this.#deps.space, index, name, mac);
    const hooked: Hooked = {
      target,
      hooks: [],
      abort: new AbortController(),
      attaching: Promise.resolve(),
      hasFailed: false,
    };
    this.#hooked.set(index, hooked);
    this.#attach(hooked);
  }

  /** Puts those hooks on that are missing. */
  #attach(hooked: Hooked): void {
    const { hooks: attacher, onChange, log } = this.#deps;
    const { target, hooks } = hooked;
    const { signal } = hooked.abort;
    const attach = async (): Promise<void> => {
      await this.#leaving.get(target.index);
      hooked.hasFailed = !(await attacher.attach(target, signal, hooks));
      if (signal.aborted) return;
      const { name, namespace } = target;
      if (hooks.length > 0) {
        log.debug({ interface: name, namespace, mode: hooks[0]?.mode }, 'interface is watched');
      }
      onChange();
    };
    hooked.hasFailed = false;
    hooked.attaching = attach();
  }

  #unhook(index: number): void {
    const hooked = this.#hooked.get(index);
    if (hooked === undefined) return;
    this.#hooked.delete(index);
    this.#deps.room.give();
    hooked.abort.abort();
    const detach = async (): Promise<void> => {
      // An attempt under way ends soon, with or without a hook.
      await hooked.attaching;
      const { hooks: attacher } = this.#deps;
      await Promise.all(hooked.hooks.map((hook) => attacher.detach(hooked.target, hook)));
      if (this.#leaving.get(index) === left) this.#leaving.delete(index);
    };
    const left = detach();
    this.#leaving.set(index, left);
    this.#deps.names.retire(this.#deps.space, index);
    this.#deps.onChange();
    const [next] = this.#leftOut;
    if (next !== undefined && !this.#isClosing) this.#reconcile(next);
  }

  #leaveOut(index: number): void {
    const { log, onChange } = this.#deps;
    if (this.#leftOut.size === 0) {
      log.warn({ namespace: this.name }, 'too many interfaces of one user: some are left out');
    }
    this.#leftOut.add(index);
    onChange();
  }

  #targetOf(link: Link): HookTarget | undefined {
    const framing = framingOf(link.type);
    if (framing === undefined) return undefined;
    return {
      netns: this.#netns,
      namespace: this.name,
      index: link.index,
      name: link.name,
      mac: link.mac,
      framing,
    };
  }

  /** Somebody with CAP_NET_ADMIN over the namespace pretends to be the kernel. */
  #refused(messages: number): void {
    const { metrics, log } = this.#deps;
    metrics.netlinkRefused.inc(messages);
    if (this.#hasRefused) return;
    this.#hasRefused = true;
    log.warn({ namespace: this.name }, 'interface messages that the kernel did not send: ignored');
  }

  get #netns(): number | undefined {
    return this.isOwn ? undefined : this.#deps.fd;
  }

  #label(): HookTarget {
    return { ...NO_INTERFACE, namespace: this.name };
  }
}

const NO_INTERFACE: HookTarget = {
  netns: undefined,
  namespace: '',
  index: 0,
  name: '',
  mac: '',
  framing: 'l2',
};
