import { explain } from '../../base/errors.ts';
import { formatAddress } from '../../base/ip.ts';
import { DnsMessage } from '../../codec/dns/message.ts';
import { dnsTypeName } from '../../codec/dns/types.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { AgentConfig } from '../config.ts';
import type { DrainBuffer } from '../drain/buffer.ts';
import { startsMs } from '../drain/decode.ts';
import { dnsMetrics, flowKey, config as layout, messageKind } from '../drain/layout.gen.ts';
import { type KernelMessage, MESSAGE_MAPS, messagesMap } from '../drain/messages.ts';
import { mapsOf } from '../loader/side-tables.ts';
import { DnsAnswers } from './dns-answers.ts';
import { decodeCounts, decodeLatency, decodeResponses } from './dns-columns.ts';
import { LostQueries } from './dns-lost.ts';
import { DnsNames } from './dns-names.ts';
import { type FeatureReaderDeps, type FeatureSpec, HOOKS_ALONE } from './feature.ts';
import type { FeatureReader } from './reader.ts';

/** Early drains do not look for lost queries more often. */
const PURGE_PERIOD_MIN_MS = 1000;

const KEY_WORDS = flowKey.sizeBytes >> 2;
const ADDRESS_BYTES = 16;
const NO_ERROR = 0;

/** Names, answers and latencies of DNS, by bpf/dns.h. */
export const dns: FeatureSpec = {
  name: 'dns',
  variable: 'ENABLE_DNS_TRACKING',
  isOn: (config) => config.enableDnsTracking,
  fields: 'dnsTracking',
  without: 'flows have no Dns fields',
  enabledBy: HOOKS_ALONE,
  extension: { at: 'dnsAt', sizeBytes: dnsMetrics.sizeBytes },
  configure: (view, config) => view.setUint16(layout.dnsPort, config.dnsTrackingPort, true),
  maxEntries: () => messagesMap,
  sideTables: ['dns_queries', 'dns_streams'],
  maps: [...MESSAGE_MAPS, ...mapsOf('dns_queries')],
  reader: (deps, at) => new DnsReader(deps, at),
};

class DnsReader implements FeatureReader {
  readonly #deps: FeatureReaderDeps;
  readonly #at: number;
  readonly #lost: LostQueries;
  readonly #names: DnsNames;
  readonly #answers = new DnsAnswers();
  readonly #message = new DnsMessage();
  readonly #addresses32 = new Uint32Array(this.#message.addresses.buffer);
  /** When the flows of a batch began, by the kernel's clock. */
  #startsMs = new Float64Array(0);
  #purgedMs = Number.NEGATIVE_INFINITY;
  #failing = false;
  /** The buffer holds flows that were created for lost queries. */
  #isMadeUp = false;

  constructor(deps: FeatureReaderDeps, at: number) {
    this.#deps = deps;
    this.#at = at;
    this.#lost = new LostQueries(deps.native, deps.object);
    this.#names = new DnsNames(deps.metrics);
    deps.messages.on(messageKind.dns, (message) => this.#take(message));
  }

  async prepare(): Promise<void> {
    this.#names.begin(this.#deps.kernelMonotonicMs());
    this.#deps.messages.read();
    await this.#purge();
  }

  decode(buffer: DrainBuffer, length: number, batch: FlowBatch): void {
    if (!this.#isMadeUp) this.#lost.addTo(buffer, length, this.#at);
    decodeCounts(buffer, length, batch, this.#at);
    if (batch.has('DnsLatencyMs')) decodeLatency(buffer, length, batch, this.#at);
    decodeResponses(buffer, length, batch, this.#at, this.#answers);
    this.#lost.nameTo(batch);
    this.#nameAddresses(buffer, length, batch);
  }

  makeFlows(buffer: DrainBuffer): number {
    this.#isMadeUp = this.#deps.takesEmptyFlows;
    if (this.#isMadeUp) return this.#lost.makeFlows(buffer, this.#at);
    const left = this.#lost.takeLeft();
    if (left > 0) this.#deps.metrics.lost('dns', 'lost_without_flow', left);
    return 0;
  }

  finish(): void {
    this.#isMadeUp = false;
    this.#answers.turn();
  }

  #nameAddresses(buffer: DrainBuffer, length: number, batch: FlowBatch): void {
    if (this.#names.isEmpty) return;
    const { keys32 } = buffer;
    if (this.#startsMs.length < length) this.#startsMs = new Float64Array(buffer.capacity);
    startsMs(length, buffer, this.#startsMs);
    const ends = [
      ['SrcDnsName', 'SrcAddr', flowKey.srcIp >> 2],
      ['DstDnsName', 'DstAddr', flowKey.dstIp >> 2],
    ] as const;
    for (const [name, address, at] of ends) {
      if (!batch.has(name)) continue;
      const into = batch.ids(name);
      // Without a column of addresses, this column holds their ids until they are replaced.
      const ids = batch.has(address) ? batch.ids(address) : into;
      if (ids === into) {
        for (let row = 0; row < length; row++) {
          into[row] = batch.tables.addresses.internWords(keys32, row * KEY_WORDS + at);
        }
      }
      this.#names.fill(length, ids, this.#startsMs, batch.tables, into);
    }
  }

  /**
   * A failure does not stop the drain: queries that stay in the map are found the next time, and
   * the kernel forgets the oldest of them when it has no room.
   */
  async #purge(): Promise<void> {
    const { config, kernelMonotonicMs, log, metrics } = this.#deps;
    const nowMs = kernelMonotonicMs();
    if (nowMs - this.#purgedMs < PURGE_PERIOD_MIN_MS) return;
    this.#purgedMs = nowMs;
    try {
      await this.#lost.purge(nowMs - config.staleEntriesEvictTimeoutMs, seesAllAnswers(config));
      this.#failing = false;
    } catch (error) {
      metrics.error('dns', 'CannotPurgeQueries', 'medium');
      if (!this.#failing) log.warn({ error: explain(error) }, 'DNS queries could not be purged');
      this.#failing = true;
    }
  }

  #take({ bytes, words, key, from, to, timeMs, asked, owner }: KernelMessage): void {
    const message = this.#message;
    const { metrics } = this.#deps;
    metrics.message('dns', message.read(bytes, from, to));
    const { id, flags, code, name, queryType, addressCount, addresses } = message;
    const answers: string[] = [];
    for (let i = 0; i < addressCount; i++) {
      const at = i * ADDRESS_BYTES;
      answers.push(formatAddress(addresses.subarray(at, at + ADDRESS_BYTES)));
    }
    if (code === NO_ERROR && isAsked(message, asked)) this.#learn(message, timeMs);
    const type = queryType === 0 ? '' : dnsTypeName(queryType);
    const answer = { id, flags, code, name, queryType: type, answers };
    if (!this.#answers.put(words, key, answer, owner)) metrics.lost('dns', 'answers_full');
  }

  #learn({ name, addressCount, ttlS }: DnsMessage, timeMs: number): void {
    for (let i = 0; i < addressCount; i++) {
      this.#names.learn(this.#addresses32, i * (ADDRESS_BYTES >> 2), name, ttlS, timeMs);
    }
  }
}

/** An answer to no query, or to another question, names nothing: anybody can send it. */
function isAsked({ questionBytes }: DnsMessage, askedBytes: number): boolean {
  return questionBytes > 0 && askedBytes >= questionBytes;
}

/**
 * A query cannot be called lost if its answer may have passed unseen. Filter rules, which may have
 * rates of their own, handle a query and its answer separately.
 */
function seesAllAnswers({ sampling, direction, flowFilterRules = [] }: AgentConfig): boolean {
  return sampling <= 1 && direction === 'both' && flowFilterRules.length === 0;
}
