import type { Pass, Place, RatePlaces } from './plan.ts';
import type { Records } from './records.ts';

/** Most samplers whose rates are remembered for one observation domain. */
export const SAMPLERS_MAX = 256;

/** Sampling rates that an exporter announced: one packet in so many. */
export class SamplingRates {
  /** The rate where flows name no sampler; 0: unknown. */
  all = 0;
  readonly #bySampler = new Map<number, number>();

  /** False: there is no room. */
  set(sampler: number, rate: number): boolean {
    if (!this.#bySampler.has(sampler) && this.#bySampler.size >= SAMPLERS_MAX) return false;
    this.#bySampler.set(sampler, rate);
    return true;
  }

  samplers(): readonly { readonly id: number; readonly rate: number }[] {
    return [...this.#bySampler].map(([id, rate]) => ({ id, rate }));
  }

  of(sampler: number): number {
    return this.#bySampler.get(sampler) ?? this.all;
  }
}

/** The sampling rate of each record: its own, that of its sampler, or that of all; 0: unknown. */
export function gatherRates(
  records: Records,
  { rates, sampler }: Pass,
  announced: SamplingRates,
  into: Float64Array,
): void {
  const { count } = records;
  if (sampler === undefined) into.fill(announced.all, 0, count);
  else {
    for (let i = 0; i < count; i++) into[i] = announced.of(records.number(sampler, i));
  }
  if (!rates.hasAny) return;
  for (let i = 0; i < count; i++) {
    const own = rateIn(records, rates, i);
    if (own > 0) into[i] = own;
  }
}

/** The sampling rate that a record gives; 0: none. */
export function rateIn(records: Records, rates: RatePlaces, record: number): number {
  for (const place of rates.intervals) {
    const interval = records.number(place, record);
    if (interval > 0) return interval;
  }
  const taken = numberIn(records, rates.taken, record);
  // An exporter that gives no space means the interval of NetFlow, as goflow2 assumes.
  if (taken > 0) {
    if (rates.space === undefined) return taken;
    return (taken + numberIn(records, rates.space, record)) / taken;
  }
  const size = numberIn(records, rates.size, record);
  if (size > 0 && rates.population !== undefined) {
    return numberIn(records, rates.population, record) / size;
  }
  if (rates.probability === undefined) return 0;
  const share = floatAt(records, rates.probability, record);
  return share > 0 && share <= 1 ? 1 / share : 0;
}

function numberIn(records: Records, place: Place | undefined, record: number): number {
  return place === undefined ? Number.NaN : records.number(place, record);
}

function floatAt(records: Records, place: Place, record: number): number {
  const at = records.start(place, record);
  const length = records.length(place, record);
  if (length === 4) return records.view.getFloat32(at);
  return length === 8 ? records.view.getFloat64(at) : 0;
}
