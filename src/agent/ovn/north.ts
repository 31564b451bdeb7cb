import { numberOf, type OvsdbRow, referencesOf } from '../../net/ovsdb/values.ts';
import { type NetworkEvent, networkEventOf } from './network-event.ts';

/** Tables of OVN's northbound database that describe samples. */
export const NORTH_TABLES = {
  ACL: ['action', 'external_ids', 'sample_new', 'sample_est'],
  Sample: ['metadata'],
  Sample_Collector: ['set_id'],
} as const;

/** Limit of sampled lists; further ones are unknown, and counted. */
export const ACLS_MAX = 262_144;

/** The origin of a sample, the first byte of its domain. */
const SamplingApp = { drop: 1, aclNew: 2, aclEstablished: 3 } as const;

interface SampledAcl {
  readonly event: NetworkEvent;
  readonly samples: readonly string[];
}

/**
 * Finds the access-control list of a sample by its cookie. The cookie is two numbers in network
 * order: the domain, whose first byte gives the kind of samples, and the point, which is in the
 * column `metadata` of the Sample that the list refers to.
 */
export class NorthModel {
  readonly #points = new Map<number, string>();
  readonly #pointOf = new Map<string, number>();
  readonly #acls = new Map<string, SampledAcl>();
  readonly #byNew = new Map<string, NetworkEvent>();
  readonly #byEstablished = new Map<string, NetworkEvent>();
  readonly #collectors = new Map<string, number>();
  #missed = 0;

  /** Lists that did not fit. */
  get missed(): number {
    return this.#missed;
  }

  /** Sets that receive samples. */
  get collectorSets(): readonly number[] {
    return [...new Set(this.#collectors.values())].sort((a, b) => a - b);
  }

  reset(): void {
    this.#points.clear();
    this.#pointOf.clear();
    this.#acls.clear();
    this.#byNew.clear();
    this.#byEstablished.clear();
    this.#collectors.clear();
    this.#missed = 0;
  }

  set(table: string, uuid: string, row: OvsdbRow | undefined): void {
    if (table === 'ACL') this.#setAcl(uuid, row);
    else if (table === 'Sample') this.#setSample(uuid, numberOf(row?.metadata));
    else if (table === 'Sample_Collector') this.#setCollector(uuid, numberOf(row?.set_id));
  }

  /** Undefined: the sample is unknown. */
  eventOf(domain: number, point: number): NetworkEvent | undefined {
    const sample = this.#points.get(point);
    if (sample === undefined) return undefined;
    const app = domain >>> 24;
    if (app === SamplingApp.aclNew) return this.#byNew.get(sample);
    if (app === SamplingApp.aclEstablished) return this.#byEstablished.get(sample);
    return undefined;
  }

  #setSample(uuid: string, point: number | undefined): void {
    const before = this.#pointOf.get(uuid);
    if (before !== undefined && this.#points.get(before) === uuid) this.#points.delete(before);
    this.#pointOf.delete(uuid);
    if (point === undefined) return;
    this.#points.set(point, uuid);
    this.#pointOf.set(uuid, point);
  }

  #setAcl(uuid: string, row: OvsdbRow | undefined): void {
    const before = this.#acls.get(uuid);
    for (const [index, map] of this.#indexes()) {
      const sample = before?.samples[index];
      if (sample !== undefined && map.get(sample) === before?.event) map.delete(sample);
    }
    this.#acls.delete(uuid);
    if (row === undefined) return;
    const samples = [row.sample_new, row.sample_est].map((each) => referencesOf(each)[0] ?? '');
    // Most lists are not sampled.
    if (samples.every((sample) => sample === '')) return;
    if (this.#acls.size >= ACLS_MAX) {
      this.#missed++;
      return;
    }
    const event = networkEventOf(row);
    this.#acls.set(uuid, { event, samples });
    for (const [index, map] of this.#indexes()) {
      if (samples[index] !== '') map.set(samples[index]!, event);
    }
  }

  #indexes(): readonly (readonly [number, Map<string, NetworkEvent>])[] {
    return [
      [0, this.#byNew],
      [1, this.#byEstablished],
    ];
  }

  #setCollector(uuid: string, set: number | undefined): void {
    if (set === undefined) this.#collectors.delete(uuid);
    else this.#collectors.set(uuid, set);
  }
}
