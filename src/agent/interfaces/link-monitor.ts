import type { Clock } from '../../base/clock.ts';
import { NetobservError } from '../../base/errors.ts';
import { AGENT_ERRORS } from '../errors.ts';
import type { Native } from '../loader/native.ts';
import type { Link } from './link.ts';
import {
  decodeNetlink,
  encodeDump,
  GROUP_ADDRESSES,
  GROUP_LINK,
  isAnswer,
  type NetlinkEvent,
  type NetlinkMessage,
} from './netlink.ts';
import type { SocketHub } from './socket-hub.ts';

/**
 * A dump interrupted this many times in a row is accepted as it is: notifications have reported
 * everything that changed meanwhile.
 */
const INTERRUPTED_DUMPS_MAX = 8;

/**
 * News of one namespace that is read per second; beyond this, none is read, and at the end of the
 * second everything is read again. Any user may change their own interfaces as fast as they can.
 */
const NEWS_PER_SECOND_MAX = 5000;
const SECOND_MS = 1000;
/** Weight of lost messages, since everything is read again. */
const NEWS_OF_A_LOSS = NEWS_PER_SECOND_MAX / 4;

const NO_PEER = -1;
/** errno: another dump is still running. */
const EBUSY = 16;

export type LinkLoss = 'overrun' | 'malformed' | 'flood';

export interface LinkMonitorDeps {
  readonly native: Native;
  readonly clock: Clock;
  readonly hub: SocketHub;
  /** File descriptor of the namespace to read; undefined: the process's own. */
  readonly netns: number | undefined;
  /** Whether to follow changes, or only to look when `refresh` is called. */
  readonly watch: boolean;
  readonly addresses: boolean;
  /** The link with this index was added, changed or removed: see `links`. */
  readonly onChange: (index: number) => void;
  /** An end of a pair whose other end is in another namespace came, went or changed. */
  readonly onPeer: () => void;
  /** Messages that were not from the kernel came to the socket; they were not read. */
  readonly onRefused: (messages: number) => void;
  /** Messages were lost or could not be read; a new dump follows. */
  readonly onLoss: (why: LinkLoss) => void;
}

interface MutableLink extends Link {
  name: string;
  type: number;
  up: boolean;
  mac: string;
  peer: number;
  driver: string;
  link: number;
  master: number;
  addresses: Uint8Array[];
}

/**
 * Keeps the interfaces of one network namespace in step with the kernel.
 *
 * The kernel queues dump parts and notifications to one socket in the order in which they happened,
 * so applying them in order of arrival always ends in the present state.
 */
export class LinkMonitor {
  readonly #deps: LinkMonitorDeps;
  readonly #links = new Map<number, MutableLink>();
  readonly #ready = Promise.withResolvers<void>();
  #fd = -1;
  #dump: { what: 'links' | 'addresses'; sequence: number; seen: Set<string> } | undefined;
  #interrupted = false;
  #interruptedInRow = 0;
  /** Another dump must follow the one that is running, ours or one that was given up. */
  #again = false;
  readonly #abort = new AbortController();
  #news = 0;
  #secondEndsMs = Number.NEGATIVE_INFINITY;
  #isFlooded = false;

  constructor(deps: LinkMonitorDeps) {
    this.#deps = deps;
    // A caller that does not wait for the first dump must not be ended by its failure.
    this.#ready.promise.catch(() => undefined);
  }

  get links(): ReadonlyMap<number, Link> {
    return this.#links;
  }

  /** Resolves when all interfaces have been reported once. */
  async open(): Promise<void> {
    const { native, hub, netns, watch, addresses } = this.#deps;
    const groups = watch ? GROUP_LINK | (addresses ? GROUP_ADDRESSES : 0) : 0;
    this.#fd = native.openNetlink(netns, groups);
    hub.add(this.#fd, {
      receive: (bytes) => this.#receive(bytes),
      refused: (messages) => this.#deps.onRefused(messages),
    });
    this.refresh();
    await this.#ready.promise;
  }

  /** Reads everything again; this also notices interfaces that are gone. */
  refresh(): void {
    if (this.#fd < 0) return;
    if (this.#dump === undefined) this.#begin();
    else this.#again = true;
  }

  close(): void {
    this.#abort.abort();
    if (this.#fd < 0) return;
    this.#deps.hub.remove(this.#fd);
    this.#fd = -1;
    this.#dump = undefined;
    this.#ready.reject(
      new NetobservError(
        AGENT_ERRORS.namespace,
        'the network namespace went away while it was read',
      ),
    );
  }

  #begin(): void {
    this.#again = false;
    this.#request('links');
  }

  #request(what: 'links' | 'addresses'): void {
    const sequence = this.#deps.hub.nextSequence();
    this.#dump = { what, sequence, seen: new Set() };
    this.#interrupted = false;
    this.#deps.native.send(this.#fd, encodeDump(what, sequence));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#fd < 0 || this.#isTooMuch(bytes)) return;
    if (bytes.length === 0) {
      this.#restart('overrun');
      return;
    }
    let messages: readonly NetlinkMessage[];
    try {
      messages = decodeNetlink(bytes);
    } catch {
      this.#restart('malformed');
      return;
    }
    for (const message of messages) this.#apply(message);
  }

  /** True: the message is skipped, and everything will be read again. */
  #isTooMuch(bytes: Uint8Array): boolean {
    if (isAnswer(bytes)) return false;
    const { clock, onLoss } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (nowMs >= this.#secondEndsMs) {
      this.#secondEndsMs = nowMs + SECOND_MS;
      this.#news = 0;
    }
    this.#news += bytes.length === 0 ? NEWS_OF_A_LOSS : 1;
    if (this.#news <= NEWS_PER_SECOND_MAX) return false;
    if (!this.#isFlooded) {
      this.#isFlooded = true;
      onLoss('flood');
      void this.#catchUp(this.#secondEndsMs - nowMs);
    }
    return true;
  }

  async #catchUp(waitMs: number): Promise<void> {
    await this.#deps.clock.sleep(waitMs, this.#abort.signal).catch(() => undefined);
    this.#isFlooded = false;
    // Needed even during a dump: interfaces that it has passed may have changed since.
    if (this.#fd >= 0) this.#begin();
  }

  #restart(why: 'overrun' | 'malformed'): void {
    this.#deps.onLoss(why);
    // An overrun loses notifications, but no part of a dump: the kernel makes a part when there is
    // room for it, and accepts no other request meanwhile.
    if (why === 'overrun') this.refresh();
    // The unreadable message may have been the end of the dump: later parts of it have an old
    // sequence number.
    else this.#begin();
  }

  #apply(message: NetlinkMessage): void {
    const dump = this.#dump;
    const ours = dump !== undefined && message.sequence === dump.sequence;
    if (message.dumped && !ours) {
      // Later parts of an abandoned dump would undo newer news, but the next dump may have to wait
      // for its end.
      if (message.event.kind === 'done' && dump === undefined && this.#again) this.#begin();
      return;
    }
    if (ours && message.interrupted) this.#interrupted = true;
    const { event } = message;
    if (event.kind === 'overrun') this.#restart('overrun');
    else if (event.kind === 'done') this.#finish();
    else if (event.kind === 'error') {
      if (ours) this.#fail(event.errno);
    } else {
      // A notification during a dump also counts as seen: its interface may come after the point
      // that the dump has passed.
      if (event.kind === 'link' || event.kind === 'address')
        dump?.seen.add(keyOf(event.index, event.kind === 'address' ? event.bytes : undefined));
      this.#update(event);
    }
  }

  #update(event: Exclude<NetlinkEvent, { kind: 'done' | 'overrun' | 'error' }>): void {
    const { index } = event;
    const known = this.#links.get(index);
    if (event.kind === 'link') {
      const { kind: _, ...facts } = event;
      if ((known?.peer ?? NO_PEER) !== facts.peer) this.#deps.onPeer();
      if (known === undefined) this.#links.set(index, { ...facts, addresses: [] });
      else Object.assign(known, facts);
    } else if (event.kind === 'link-gone') {
      if (!this.#links.delete(index)) return;
      if (known !== undefined && known.peer !== NO_PEER) this.#deps.onPeer();
    } else if (known === undefined) {
      return;
    } else {
      const others = known.addresses.filter((bytes) => !sameBytes(bytes, event.bytes));
      known.addresses = event.kind === 'address' ? [...others, event.bytes] : others;
    }
    this.#deps.onChange(index);
  }

  #finish(): void {
    const dump = this.#dump;
    if (dump === undefined) return;
    if (this.#interrupted && ++this.#interruptedInRow < INTERRUPTED_DUMPS_MAX) {
      this.#request(dump.what);
      return;
    }
    // An interrupted dump does not show which interfaces are absent.
    if (!this.#interrupted) this.#forgetUnseen(dump.what, dump.seen);
    this.#interruptedInRow = 0;
    this.#dump = undefined;
    if (dump.what === 'links' && this.#deps.addresses) {
      this.#request('addresses');
      return;
    }
    this.#ready.resolve();
    if (this.#again) this.#begin();
  }

  #forgetUnseen(what: 'links' | 'addresses', seen: ReadonlySet<string>): void {
    for (const link of [...this.#links.values()]) {
      if (what === 'links') {
        if (!seen.has(keyOf(link.index))) {
          this.#update({ kind: 'link-gone', index: link.index });
        }
        continue;
      }
      for (const bytes of link.addresses) {
        if (seen.has(keyOf(link.index, bytes))) continue;
        this.#update({ kind: 'address-gone', index: link.index, bytes });
      }
    }
  }

  #fail(errno: number): void {
    if (errno === 0) return;
    this.#dump = undefined;
    if (errno === EBUSY) {
      this.#again = true;
      return;
    }
    this.#ready.reject(
      new NetobservError(
        AGENT_ERRORS.namespace,
        `the kernel refuses to list interfaces: errno ${errno}`,
      ),
    );
  }
}

/** Key of an interface, or of one of its addresses. */
function keyOf(index: number, address?: Uint8Array): string {
  return address === undefined ? `${index}` : `${index}/${address.join('.')}`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
