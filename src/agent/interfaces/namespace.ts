import type { Clock } from '../../base/clock.ts';
import { runAll } from '../../base/run-all.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Hook, HookTarget } from '../loader/hook.ts';
import type { Hooks } from '../loader/hooks.ts';
import type { Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { HookedDirections } from './births.ts';
import type { HookGuard } from './guard.ts';
import type { FactsSpace, HookFacts } from './hook-facts.ts';
import type { HookTally } from './hook-tally.ts';
import { HookWatch, type Trouble } from './hook-watch.ts';

import { type Hooked, newHooked } from './hooked.ts';
import { framingOf, type Link } from './link.ts';
import { LinkMonitor } from './link-monitor.ts';
import type { InterfaceNames } from './names.ts';
import type { InterfaceRoom } from './residents.ts';
import type { InterfaceRow } from './row.ts';
import type { InterfaceRules } from './rules.ts';
import type { SocketHub } from './socket-hub.ts';

/** The attacher of hooks. */
export type HookKeeper = Pick<Hooks, 'attach' | 'detach' | 'directions' | 'isManaged'>;

export interface TrackedNamespaceDeps {
  readonly native: Native;
  readonly clock: Clock;
  readonly hub: SocketHub;
  readonly hooks: HookKeeper;
  readonly names: InterfaceNames;
  readonly rules: InterfaceRules;
  readonly facts: HookFacts;
  readonly guard: HookGuard;
  readonly log: Log;
  readonly metrics: AgentMetrics;
  readonly follow: boolean;
  /** Undefined for the process's own namespace. */
  readonly name: string | undefined;
  /** False: `name` was derived from the processes in it. */
  readonly hasName: boolean;
  /**
   * Descriptor of the namespace, owned from here on. It keeps the namespace alive, but only while
   * its name or its processes are there.
   */
  readonly fd: number;
  /** Identifies the namespace in `names`. */
  readonly space: number;
  /** Room for the interfaces that get hooks here. */
  readonly room: InterfaceRoom;
  readonly onChange: () => void;
  /** The end of a pair of interfaces whose other end is in another namespace came or went. */
  readonly onPeer: () => void;
}

/** One network namespace: its interfaces and the hooks on them. */
export class TrackedNamespace {
  readonly #deps: TrackedNamespaceDeps;
  readonly #monitor: LinkMonitor;
  readonly #watch: HookWatch;
  readonly #facts: FactsSpace;
  readonly #hooked = new Map<number, Hooked>();
  /** Interfaces that are there, watched or not, in their last known state. */
  readonly #subscribed = new Map<number, HookTarget>();
  /** Hooks being detached, by interface: new ones wait for them. */
  readonly #leaving = new Map<number, Promise<void>>();
  /** Interfaces that do not fit; they get hooks when others go. */
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
      onChange: (index) => {
        this.#subscribe(index);
        this.#reconcile(index);
      },
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
    this.#watch = new HookWatch({
      ...deps,
      ...deps.guard,
      netns: this.#netns,
      onRefused: (messages) => this.#refused(messages),
      space: this,
      watched: () => this.#hooked.keys(),
      nameOf: (index) => this.#monitor.links.get(index)?.name ?? `#${index}`,
      hooksOf: (index) => this.#hooked.get(index)?.hooks ?? [],
      onTrouble: (index, hook, trouble) => this.#repair(index, hook, trouble),
    });
    this.#facts = {
      netns: this.#netns,
      fd: deps.fd,
      space: deps.space,
      links: this.#monitor.links,
      hooksOf: (index) => this.#directionsAt(index),
    };
  }

  get isOwn(): boolean {
    return this.#deps.name === undefined;
  }

  /** Empty for the process's own namespace. */
  get name(): string {
    return this.#name;
  }

  /** False: `name` was derived from the processes in it. */
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

  /** Resolves when the interfaces that are there are known; their hooks are being attached. */
  async open(): Promise<void> {
    this.#deps.facts.add(this.#facts);
    if (!this.#deps.hooks.isManaged) this.#watch.open();
    await this.#monitor.open();
  }

  /** Resolves when everything is known that hooks wait for: they are being attached. */
  async looked(): Promise<void> {
    await this.#watch.idle();
  }

  /** Resolves when the interfaces known now have their hooks, or have failed to get them. */
  async settled(): Promise<void> {
    const attaching = [...this.#hooked.values()].map((hooked) => hooked.attaching);
    await Promise.all([...attaching, ...this.#leaving.values()]);
  }

  refresh(): void {
    this.#monitor.refresh();
  }

  /** Checks whether hooks are still there, and attaches missing ones again. */
  async look(): Promise<void> {
    if (this.#deps.hooks.isManaged) return;
    await this.#watch.look();
    const now = this.#deps.clock.monotonicMs();
    for (const hooked of this.#hooked.values()) {
      if (hooked.hasFailed && hooked.repairs.take(now)) this.#attach(hooked);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await runAll([
      () => this.#monitor.close(),
      () => this.#watch.close(),
      ...[...this.#hooked.keys()].map((index) => () => this.#unhook(index)),
      // Detaching is slow and does not need our descriptor: interfaces moved into the namespace
      // come back as soon as nobody holds it.
      () => this.#deps.facts.remove(this.#facts),
      () => this.#deps.native.closeFd(this.#deps.fd),
      () => this.settled(),
    ]);
    for (const index of [...this.#subscribed.keys()]) this.#unsubscribe(index);
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
    for (const { hooks, isLost, hasFailed } of this.#hooked.values()) {
      if (isLost) into.lost++;
      else if (hasFailed) into.failed++;
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

  /** Counted as in `netobserv-ebpf-agent`: each interface that comes and goes, under any rules. */
  #subscribe(index: number): void {
    const link = this.#monitor.links.get(index);
    if (link === undefined) {
      this.#unsubscribe(index);
      return;
    }
    const isNew = !this.#subscribed.has(index);
    const { name, mac } = link;
    const { name: namespace } = this;
    const target: HookTarget = {
      ...{ netns: undefined, namespace, index, name, mac, framing: framingOf(link.type) ?? 'l2' },
    };
    this.#subscribed.set(index, target);
    if (isNew) this.#deps.metrics.interfaceEvent('reg_subscribed', target, 0);
  }

  #unsubscribe(index: number): void {
    const target = this.#subscribed.get(index);
    if (target === undefined) return;
    this.#subscribed.delete(index);
    this.#deps.metrics.interfaceEvent('reg_unsubscribed', target, 0);
  }

  /** Makes the attached hooks match the current state of the interface. */
  #reconcile(index: number): void {
    const { rules, names, space } = this.#deps;
    const link = this.#monitor.links.get(index);
    const hooked = this.#hooked.get(index);
    void this.#deps.facts.changed();
    const target = link === undefined ? undefined : this.#targetOf(link);

    if (hooked !== undefined) {
      const same = target?.framing === hooked.target.framing;
      // An interface that went down keeps its hooks: they see no packets, and miss none later.
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
    const hooked = newHooked(target);
    this.#hooked.set(index, hooked);
    this.#attach(hooked);
  }

  /** Attaches the missing hooks. */
  #attach(hooked: Hooked): void {
    const { hooks: attacher, onChange, log, facts } = this.#deps;
    const { target, hooks } = hooked;
    const { signal } = hooked.abort;
    const attach = async (): Promise<void> => {
      await this.#leaving.get(target.index);
      // Places of birth and others' programs must be known before the first packet.
      await Promise.all([facts.changed(), attacher.isManaged || this.#watch.look(target.index)]);
      hooked.hasFailed = !(await attacher.attach(target, signal, hooks));
      hooked.isAttaching = false;
      if (!hooked.hasFailed) hooked.isLost = false;
      // A hook that could not be attached passes nothing on to others.
      if (hooked.hasFailed) void facts.changed();
      if (signal.aborted) return;
      const { name, namespace } = target;
      if (hooks.length > 0) {
        log.debug({ interface: name, namespace, mode: hooks[0]?.mode }, 'interface is watched');
      }
      onChange();
    };
    hooked.hasFailed = false;
    hooked.isAttaching = true;
    hooked.attaching = attach();
  }

  /** Attaches a hook again that is not where it was: now, or when its turn comes. */
  #repair(index: number, hook: Hook, trouble: Trouble): void {
    const { hooks: attacher, clock, log, metrics } = this.#deps;
    const hooked = this.#hooked.get(index);
    if (hooked === undefined || hooked.isAttaching) return;
    const isTurn = hooked.repairs.take(clock.monotonicMs());
    // After another program, it still sees the packets that the other lets through.
    if (trouble === 'behind' && !isTurn) return;
    const { name, namespace } = hooked.target;
    metrics.hookTroubles.inc({ reason: trouble });
    log.warn(
      { interface: name, namespace, direction: hook.direction, mode: hook.mode },
      trouble === 'gone'
        ? 'somebody has removed a hook: it is put on again'
        : 'another program has come before a hook: it is put first again',
    );
    hooked.hooks.splice(hooked.hooks.indexOf(hook), 1);
    hooked.isLost = true;
    hooked.attaching = attacher.detach(hooked.target, hook).then(() => undefined);
    hooked.hasFailed = true;
    if (isTurn) this.#attach(hooked);
    this.#deps.onChange();
  }

  /** The directions in which the interface has hooks, or is about to get them. */
  #directionsAt(index: number): HookedDirections | undefined {
    const hooked = this.#hooked.get(index);
    if (hooked === undefined) return undefined;
    const { hooks: attacher } = this.#deps;
    const there = hooked.hasFailed
      ? hooked.hooks.map(({ direction }) => direction)
      : attacher.directions;
    return { ingress: there.includes('ingress'), egress: there.includes('egress') };
  }

  #unhook(index: number): void {
    const hooked = this.#hooked.get(index);
    if (hooked === undefined) return;
    this.#hooked.delete(index);
    this.#deps.room.give();
    hooked.abort.abort();
    const detach = async (): Promise<void> => {
      // A running attempt ends soon, with or without a hook.
      await hooked.attaching;
      const { hooks: attacher } = this.#deps;
      await Promise.all(hooked.hooks.map((hook) => attacher.detach(hooked.target, hook)));
      if (this.#leaving.get(index) === left) this.#leaving.delete(index);
      void this.#deps.facts.changed();
    };
    const left = detach();
    this.#leaving.set(index, left);
    this.#deps.names.retire(this.#deps.space, index);
    this.#watch.forget(index);
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
    const { index, name, mac } = link;
    return { netns: this.#netns, namespace: this.name, index, name, mac, framing };
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
}
