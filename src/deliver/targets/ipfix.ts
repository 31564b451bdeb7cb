import type { Clock } from '../../base/clock.ts';
import { stampMessage } from '../../codec/netflow/ipfix-message.ts';
import type { IpfixPreamble } from '../../codec/netflow/ipfix-writer.ts';
import { TcpConnection } from '../../net/tcp/connection.ts';
import { type LookUp, lookUpHost, PeerAddress } from '../../net/udp/peer-address.ts';
import { UdpSender } from '../../net/udp/sender.ts';
import type { Log } from '../../telemetry/log.ts';
import { DELIVERY_DEFAULTS, type Target } from '../delivery.ts';
import type { IpfixBurst } from '../encoders/ipfix.ts';

export const IPFIX_UDP = {
  /**
   * Readers built on VMware's go-ipfix have room for this many bytes, as netobserv-ebpf-agent's
   * example does. It fits the smallest MTU of IPv6, 1280, so datagrams are never fragmented.
   */
  messageMaxBytes: 1024,
  /**
   * Datagrams sent without a pause. The usual receive buffer (208 KiB; a datagram takes up about
   * 2.3) holds six times as many.
   */
  burstMessages: 16,
  limits: DELIVERY_DEFAULTS,
} as const;

export const IPFIX_TCP = {
  /** At most 65,535; small enough to notice a slow collector early. */
  messageMaxBytes: 32 * 1024,
  burstMessages: 1,
  /** A collector that stalls for a while reads on; the wait for a vanished collector must end. */
  limits: { ...DELIVERY_DEFAULTS, attemptTimeoutMs: 60_000 },
} as const;

/**
 * Templates are sent again on UDP, where they may be lost and collectors restart unnoticed (RFC
 * 7011, section 8.4): before a message, when the last were sent this long ago …
 */
export const TEMPLATE_REFRESH_MS = 1000;
/** … or this many messages. */
export const TEMPLATE_REFRESH_MESSAGES = 64;

/**
 * Between the first templates of a session and its first flows: a collector that decodes datagrams
 * in parallel would have flows before their templates.
 */
const FIRST_TEMPLATES_PAUSE_MS = 100;

/**
 * Between bursts of datagrams, and behind templates that are sent again, so that a collector may
 * pause for some 20 ms.
 */
const BURST_PAUSE_MS = 4;

export interface IpfixTarget {
  readonly host: string;
  readonly port: number;
  /** Messages with the templates; called when there are messages to send. */
  readonly preamble: () => readonly IpfixPreamble[];
  /** Age at which templates are sent again by UDP, milliseconds; default `TEMPLATE_REFRESH_MS`. */
  readonly templateRefreshMs?: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the host's resolver. */
  readonly lookUp?: LookUp;
}

/** Data records sent in a session, modulo 2^32. */
class Sequence {
  #records = 0;

  /** Completes a message to be sent now; `count` it once it is. */
  stamp(message: Uint8Array, nowMs: number): void {
    stampMessage(message, Math.floor(nowMs / 1000), this.#records);
  }

  count(records: number): void {
    this.#records = (this.#records + records) >>> 0;
  }
}

interface UdpSession {
  readonly sender: UdpSender;
  readonly sequence: Sequence;
  templatesMs: number;
  messages: number;
}

/** RFC 7011, section 10.3. A datagram counts as delivered once it has left: UDP has no answers. */
export class IpfixUdp implements Target<IpfixBurst> {
  readonly inFlightMax = 1;
  readonly #target: IpfixTarget;
  readonly #addresses: PeerAddress;
  #session: UdpSession | undefined;

  constructor(target: IpfixTarget) {
    const { host, clock, lookUp = lookUpHost } = target;
    this.#target = target;
    this.#addresses = new PeerAddress(host, { clock, lookUp });
  }

  async send(burst: IpfixBurst, signal: AbortSignal): Promise<void> {
    const { clock } = this.#target;
    const session = await this.#open(signal);
    const { sender, sequence } = session;
    try {
      await this.#refresh(session);
      while (burst.sent < burst.messages.length) {
        const { bytes, records } = burst.messages[burst.sent]!;
        sequence.stamp(bytes, clock.nowMs());
        await sender.send(bytes);
        sequence.count(records);
        burst.sent++;
        session.messages++;
      }
    } catch (error) {
      this.#drop();
      throw error;
    }
    await clock.sleep(BURST_PAUSE_MS);
  }

  async close(): Promise<void> {
    this.#drop();
  }

  async #open(signal: AbortSignal): Promise<UdpSession> {
    const { host, port, log } = this.#target;
    if (this.#session !== undefined) {
      const { address } = this.#session.sender;
      if (!this.#addresses.hasLeft(address)) return this.#session;
      log.info({ host, address }, 'the collector is at another address now');
      this.#drop();
    }
    const sender = await UdpSender.open(this.#addresses, port, signal);
    const sequence = new Sequence();
    const never = Number.NEGATIVE_INFINITY;
    this.#session = { sender, sequence, templatesMs: never, messages: 0 };
    return this.#session;
  }

  async #refresh(session: UdpSession): Promise<void> {
    const { clock, preamble, templateRefreshMs = TEMPLATE_REFRESH_MS } = this.#target;
    const ageMs = clock.monotonicMs() - session.templatesMs;
    if (ageMs < templateRefreshMs && session.messages < TEMPLATE_REFRESH_MESSAGES) return;
    for (const { bytes, records } of preamble()) {
      session.sequence.stamp(bytes, clock.nowMs());
      await session.sender.send(bytes);
      session.sequence.count(records);
    }
    const isFirst = session.templatesMs === Number.NEGATIVE_INFINITY;
    await clock.sleep(isFirst ? FIRST_TEMPLATES_PAUSE_MS : BURST_PAUSE_MS);
    session.templatesMs = clock.monotonicMs();
    session.messages = 0;
  }

  #drop(): void {
    this.#session?.sender[Symbol.dispose]();
    this.#session = undefined;
  }
}

interface TcpSession {
  readonly connection: TcpConnection;
  readonly sequence: Sequence;
}

/**
 * RFC 7011, section 10.4: templates once per connection. Bytes that the kernel has taken count as
 * delivered; those that it still held when a connection broke are lost unseen, since IPFIX has no
 * answers.
 */
export class IpfixTcp implements Target<IpfixBurst> {
  readonly inFlightMax = 1;
  readonly #target: IpfixTarget;
  #session: TcpSession | undefined;

  constructor(target: IpfixTarget) {
    this.#target = target;
  }

  async send(burst: IpfixBurst, signal: AbortSignal): Promise<void> {
    const { connection, sequence } = await this.#open(signal);
    while (burst.sent < burst.messages.length) {
      const { bytes, records } = burst.messages[burst.sent]!;
      sequence.stamp(bytes, this.#target.clock.nowMs());
      await connection.write(bytes, signal);
      sequence.count(records);
      burst.sent++;
    }
  }

  async close(): Promise<void> {
    await this.#session?.connection.end();
    this.#session = undefined;
  }

  async #open(signal: AbortSignal): Promise<TcpSession> {
    if (this.#session?.connection.isOpen === true) return this.#session;
    this.#session?.connection.destroy();
    this.#session = undefined;
    const { host, port, clock, preamble } = this.#target;
    const connection = await TcpConnection.open(host, port, signal);
    const session = { connection, sequence: new Sequence() };
    for (const { bytes, records } of preamble()) {
      session.sequence.stamp(bytes, clock.nowMs());
      await connection.write(bytes, signal);
      session.sequence.count(records);
    }
    this.#session = session;
    return session;
  }
}
