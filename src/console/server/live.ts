import { Readable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { LiveTick } from '../api.ts';
import { ANSWERS, AnswerError } from './errors.ts';
import type { ConsoleMetrics } from './metrics.ts';

/** Rows that have just become visible to queries. */
export interface WrittenRows {
  readonly flows: number;
  readonly bytes: number;
  readonly packets: number;
}

export type SubscribeRows = (listener: (written: WrittenRows) => void) => Disposable;

export interface LiveLimits {
  readonly liveClientsMax: number;
  readonly liveTickMs: number;
  readonly liveHeartbeatMs: number;
  readonly liveStreamMaxMs: number;
  readonly liveBufferBytes: number;
  readonly liveMissedTicksMax: number;
}

export interface LiveDeps {
  readonly clock: Clock;
  readonly metrics: ConsoleMetrics;
  readonly subscribe: SubscribeRows | undefined;
  /** Rows in the store. */
  readonly rows: () => Promise<number>;
}

/** Delay after which a browser that lost the stream reconnects. */
const RECONNECT_MS = 3000;

const FULL_RETRY_AFTER_S = 30;

/**
 * Notifies browsers of new rows; they then query what they show.
 *
 * All clients get the same text, made once per tick. A tick is news, not data: a client that does
 * not read loses ticks, never costs us memory, and is disconnected when it has not read for long.
 */
export class LiveHub {
  readonly #limits: LiveLimits;
  readonly #deps: LiveDeps;
  readonly #clients = new Set<LiveClient>();
  #subscription: Disposable | undefined;
  #timer: Disposable | undefined;
  #flows = 0;
  #bytes = 0;
  #packets = 0;
  #rows = 0;
  #lastTickMs = 0;
  #ticking = false;

  constructor(limits: LiveLimits, deps: LiveDeps) {
    this.#limits = limits;
    this.#deps = deps;
  }

  start(): void {
    this.#lastTickMs = this.#deps.clock.monotonicMs();
    this.#subscription = this.#deps.subscribe?.((written) => {
      this.#flows += written.flows;
      this.#bytes += written.bytes;
      this.#packets += written.packets;
    });
    this.#timer = this.#deps.clock.every(this.#limits.liveTickMs, () => void this.#tick());
  }

  /** Ends every stream; the browsers will try to reconnect. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#subscription?.[Symbol.dispose]();
    for (const client of this.#clients) client.push(null);
    // A tick that still waits for the store then has no receiver.
    this.#clients.clear();
  }

  /** The text/event-stream of one more client, at this address. */
  connect(address = ''): Readable {
    const { metrics } = this.#deps;
    const { liveClientsMax } = this.#limits;
    if (this.#clients.size >= liveClientsMax && !this.#makeRoomFor(address)) {
      metrics.reject('live_full');
      throw new AnswerError(
        ANSWERS.busy,
        `${this.#clients.size} browsers follow live updates, which is the most that this console ` +
          'serves: close some, or refresh at an interval',
        { retryAfterS: FULL_RETRY_AFTER_S },
      );
    }
    const endsAtMs = this.#deps.clock.monotonicMs() + this.#limits.liveStreamMaxMs;
    const client = new LiveClient(address, this.#limits.liveBufferBytes, endsAtMs);
    this.#clients.add(client);
    metrics.liveClients.set(this.#clients.size);
    client.once('close', () => {
      this.#clients.delete(client);
      metrics.liveClients.set(this.#clients.size);
    });
    client.push(`retry: ${RECONNECT_MS}\n\n`);
    return client;
  }

  /**
   * Ends the oldest stream of the address with the most streams, if the newcomer's address then
   * still has no more than that one. Returns false if the newcomer's address has its share.
   */
  #makeRoomFor(address: string): boolean {
    const counts = new Map<string, number>();
    for (const { address: one } of this.#clients) counts.set(one, (counts.get(one) ?? 0) + 1);
    const [greediest = '', most = 0] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [];
    if (most < (counts.get(address) ?? 0) + 2) return false;
    // In order of arrival.
    for (const client of this.#clients) {
      if (client.address !== greediest) continue;
      this.#deps.metrics.liveClientsDropped.inc();
      this.#clients.delete(client);
      client.push(null);
      return true;
    }
    return false;
  }

  async #tick(): Promise<void> {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#endOld(nowMs);
    if (this.#clients.size === 0) {
      // A new client does not get what happened before it connected.
      this.#forget(nowMs);
      return;
    }
    const due = this.#flows > 0 || nowMs - this.#lastTickMs >= this.#limits.liveHeartbeatMs;
    // While the store is slow to count its rows, new rows add up for the next tick.
    if (!due || this.#ticking) return;
    this.#ticking = true;
    try {
      this.#rows = await this.#deps.rows();
    } catch {
      // The last known count will do: /api/status reports what is wrong with the store.
    } finally {
      this.#ticking = false;
    }
    this.#send();
  }

  /** Ends old streams, so that those without a reader or with an ended session go away. */
  #endOld(nowMs: number): void {
    for (const client of this.#clients) {
      if (nowMs < client.endsAtMs) continue;
      this.#clients.delete(client);
      client.push(null);
    }
  }

  #send(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const tick: LiveTick = {
      nowMs: this.#deps.clock.nowMs(),
      flows: this.#flows,
      bytes: this.#bytes,
      packets: this.#packets,
      elapsedMs: Math.round(nowMs - this.#lastTickMs),
      rows: this.#rows,
    };
    this.#forget(nowMs);
    const text = `event: tick\ndata: ${JSON.stringify(tick)}\n\n`;
    for (const client of this.#clients) {
      if (client.offer(text)) continue;
      this.#deps.metrics.liveTicksSkipped.inc();
      if (client.missed < this.#limits.liveMissedTicksMax) continue;
      this.#deps.metrics.liveClientsDropped.inc();
      client.destroy();
    }
  }

  #forget(nowMs: number): void {
    this.#flows = 0;
    this.#bytes = 0;
    this.#packets = 0;
    this.#lastTickMs = nowMs;
  }
}

class LiveClient extends Readable {
  /** Ticks in a row that found the client's buffer full. */
  missed = 0;
  #full = false;

  readonly address: string;
  readonly endsAtMs: number;

  constructor(address: string, bufferBytes: number, endsAtMs: number) {
    super({ highWaterMark: bufferBytes, encoding: 'utf8' });
    this.address = address;
    this.endsAtMs = endsAtMs;
  }

  /** False when the client still has too much to read. */
  offer(text: string): boolean {
    if (this.#full) {
      this.missed++;
      return false;
    }
    this.#full = !this.push(text);
    return true;
  }

  override _read(): void {
    this.#full = false;
    this.missed = 0;
  }
}
