import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Hook, Hooks, HookTarget } from '../loader/hooks.ts';
import type { Native } from '../loader/native.ts';
import type { AgentMetrics } from '../metrics.ts';
import { framingOf, type Link } from './link.ts';
import { LinkMonitor } from './link-monitor.ts';
import type { InterfaceNames } from './names.ts';
import type { InterfaceRules } from './rules.ts';
import type { SocketHub } from './socket-hub.ts';
import type { InterfaceRow } from './tracker.ts';

export interface TrackedNamespaceDeps {
  readonly native: Native;
  readonly hub: SocketHub;
  readonly hooks: Pick<Hooks, 'attach' | 'detach'>;
  readonly names: InterfaceNames;
  readonly rules: InterfaceRules;
  readonly log: Log;
  readonly metrics: AgentMetrics;
  readonly clock: Clock;
  readonly follow: boolean;
  /** Undefined for the process's own namespace. */
  readonly name: string | undefined;
  /** Descriptor of the namespace, owned from here on. It keeps the namespace alive: no longer than
   * its name is there. */
  readonly fd: number;
  /** By which the datapath names it: low half of the cookie, or 0. */
  readonly cookie: number;
  readonly onChange: () => void;
}

/** An interface that has hooks, or is getting them. */
interface Hooked {
  target: HookTarget;
  readonly hooks: Hook[];
  readonly abort: AbortController;
  attaching: Promise<void>;
}

/** One network namespace: its interfaces and the hooks on them. */
export class TrackedNamespace {
  readonly #deps: TrackedNamespaceDeps;
  readonly #monitor: LinkMonitor;
  readonly #hooked = new Map<number, Hooked>();

  constructor(deps: TrackedNamespaceDeps) {
    this.#deps = deps;
    this.#monitor = new LinkMonitor({
      native: deps.native,
      hub: deps.hub,
      netns: this.#netns,
      watch: deps.follow,
      addresses: deps.rules.needsAddresses,
      onChange: (index) => this.#reconcile(index),
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

  get name(): string {
    return this.#deps.name ?? '';
  }

  get linkCount(): number {
    return this.#monitor.links.size;
  }

  linkNames(): readonly string[] {
    return [...this.#monitor.links.values()].map((link) => link.name);
  }

  /** Resolves when the interfaces that are there have their hooks, or have failed to get them. */
  async open(): Promise<void> {
    await this.#monitor.open();
    this.#deps.metrics.interfaceEvent('reg_subscribed', this.#label(), 0);
    await Promise.all([...this.#hooked.values()].map((hooked) => hooked.attaching));
  }

  refresh(): void {
    this.#monitor.refresh();
  }

  async close(): Promise<void> {
    const attaching = [...this.#hooked.values()].map((hooked) => hooked.attaching);
    this.#monitor.close();
    for (const index of [...this.#hooked.keys()]) {
      this.#unhook(index);
      // As with attaching: drains get their turn.
      await this.#deps.clock.sleep(0);
    }
    await Promise.all(attaching);
    this.#deps.native.closeFd(this.#deps.fd);
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

  /** Makes what is attached agree with what the interface now is. */
  #reconcile(index: number): void {
    const { rules, names, cookie } = this.#deps;
    const link = this.#monitor.links.get(index);
    const hooked = this.#hooked.get(index);
    const target = link === undefined ? undefined : this.#targetOf(link);

    if (hooked !== undefined) {
      const same = target?.framing === hooked.target.framing;
      // An interface that went down keeps its hooks: no packet passes, and none is missed later.
      if (link !== undefined && target !== undefined && same && rules.wants(link)) {
        hooked.target = target;
        names.set(cookie, index, link.name);
        return;
      }
      this.#unhook(index);
    }
    if (link?.up !== true || target === undefined || !rules.wants(link)) return;
    this.#hook(target);
  }

  #hook(target: HookTarget): void {
    const { names, cookie, hooks: attacher, onChange, log } = this.#deps;
    names.set(cookie, target.index, target.name);
    const hooks: Hook[] = [];
    const abort = new AbortController();
    const hooked: Hooked = { target, hooks, abort, attaching: Promise.resolve() };
    this.#hooked.set(target.index, hooked);
    hooked.attaching = attacher
      .attach(target, abort.signal, (hook) => hooks.push(hook))
      .then(() => {
        if (abort.signal.aborted) {
          this.#detach(hooked);
          return;
        }
        const { name, namespace } = target;
        if (hooks.length > 0) {
          log.debug({ interface: name, namespace, mode: hooks[0]?.mode }, 'interface is watched');
        }
        onChange();
      });
  }

  #unhook(index: number): void {
    const hooked = this.#hooked.get(index);
    if (hooked === undefined) return;
    this.#hooked.delete(index);
    hooked.abort.abort();
    this.#detach(hooked);
    this.#deps.names.retire(this.#deps.cookie, index);
    this.#deps.onChange();
  }

  // Called again for hooks that an attempt under way has brought in the meantime.
  #detach(hooked: Hooked): void {
    for (const hook of hooked.hooks.splice(0)) this.#deps.hooks.detach(hooked.target, hook);
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
