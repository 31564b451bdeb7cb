import type { LiveTick } from '../../api.ts';

export interface LiveState {
  readonly status: 'connecting' | 'open' | 'lost';
  readonly tick: LiveTick | undefined;
}

/** Messages between the tabs of one browser. */
type Message =
  /** A new tab asks who leads. */
  | { readonly kind: 'hello'; readonly from: string }
  /** The leader is alive; `state` is the last it received. */
  | { readonly kind: 'beat'; readonly from: string; readonly state: LiveState }
  /** The leader leaves. */
  | { readonly kind: 'gone'; readonly from: string };

/** The part of a `BroadcastChannel` that is used here. */
export interface LiveChannel {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  postMessage(message: unknown): void;
  close(): void;
}

export interface LiveShareDeps {
  readonly openChannel: () => LiveChannel;
  /** Opens a stream of events that lasts until it is disposed of. */
  readonly openStream: (onState: (state: LiveState) => void) => Disposable;
  readonly random: () => number;
}

/** Time that a new tab waits for a leader's answer before it leads. */
export const JOIN_MS = 250;
/** A leader sends beats at least this often. */
export const BEAT_MS = 1000;
/** A leader without a beat for this long has crashed. */
export const LEASE_MS = 5000;
/** Keeps tabs that start waiting together from leading together. */
export const JITTER_MS = 250;

/**
 * Follows the live stream together with the browser's other tabs: one of them, the leader, has it
 * open and passes on its events. Over HTTP/1.1 a browser opens six connections to a host, and a
 * stream for each tab would take them all.
 *
 * Leadership is a lease that beats renew. Web Locks would be simpler, but browsers offer them to
 * secure contexts only, and the console is also reached over plain HTTP. If two tabs lead at the
 * same time, the next beat shows it, and the one with the larger id steps down.
 */
export function followLive(deps: LiveShareDeps, onState: (state: LiveState) => void): Disposable {
  return new LiveFollower(deps, onState);
}

class LiveFollower implements Disposable {
  readonly #id: string;
  readonly #deps: LiveShareDeps;
  readonly #onState: (state: LiveState) => void;
  readonly #channel: LiveChannel;
  #state: LiveState = { status: 'connecting', tick: undefined };
  /** Only while this tab leads. */
  #stream: Disposable | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(deps: LiveShareDeps, onState: (state: LiveState) => void) {
    this.#deps = deps;
    this.#onState = onState;
    this.#id = deps.random().toString(36).slice(2);
    this.#channel = deps.openChannel();
    this.#channel.addEventListener('message', ({ data }) => this.#hear(data as Message));
    this.#join();
  }

  #join(): void {
    this.#send({ kind: 'hello', from: this.#id });
    this.#after(JOIN_MS, () => this.#lead());
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    if (this.#stream !== undefined) this.#send({ kind: 'gone', from: this.#id });
    this.#stream?.[Symbol.dispose]();
    this.#stream = undefined;
    this.#channel.close();
  }

  #hear(message: Message): void {
    const leads = this.#stream !== undefined;
    if (message.kind === 'hello' && leads) this.#beat();
    if (message.kind === 'gone' && !leads) this.#after(0, () => this.#lead());
    if (message.kind !== 'beat') return;
    if (leads && this.#id < message.from) {
      this.#beat();
      return;
    }
    this.#stepDown();
    // A busy page receives late: pending beats are read before the answer to another hello.
    this.#after(LEASE_MS, () => this.#join());
    this.#tell(message.state);
  }

  #after(waitMs: number, act: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(act, waitMs + this.#deps.random() * JITTER_MS);
  }

  #lead(): void {
    this.#stream = this.#deps.openStream((state) => {
      this.#tell(state);
      this.#beat();
    });
    this.#beat();
  }

  #stepDown(): void {
    this.#stream?.[Symbol.dispose]();
    this.#stream = undefined;
  }

  #beat(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#beat(), BEAT_MS);
    this.#send({ kind: 'beat', from: this.#id, state: this.#state });
  }

  #tell(state: LiveState): void {
    // Beats repeat the last state.
    const isNews = state.status !== this.#state.status || state.tick?.nowMs !== this.#nowMs();
    this.#state = state;
    if (isNews) this.#onState(state);
  }

  #nowMs(): number | undefined {
    return this.#state.tick?.nowMs;
  }

  #send(message: Message): void {
    this.#channel.postMessage(message);
  }
}
