import { LIFETIME_MS, SWEEP_PERIOD_MS, UNKNOWN_SEQUENCE } from '../exporters/session.ts';
import type { InterfacePlaces } from './interface-names.ts';
import type { Place, Plan, RatePlaces } from './plan.ts';
import { SamplingRates } from './sampling.ts';

/** Most observation domains of all exporters whose state is kept. */
export const DOMAINS_MAX = 4096;
/** Most templates of all exporters. */
export const TEMPLATES_MAX = 16_384;
/** Most templates of one observation domain, so that one exporter leaves room for others. */
export const DOMAIN_TEMPLATES_MAX = 1024;
/** Most fields of all templates together. */
export const FIELDS_MAX = 262_144;
/** The reading of records of an options template. */
export interface OptionsPlan {
  /** Places of the fields, as for flows. */
  readonly layout: Plan;
  readonly rates: RatePlaces;
  readonly sampler: Place | undefined;
  readonly systemInit: Place | undefined;
  readonly interfaces: InterfacePlaces | undefined;
}

export interface Template {
  /** The octets of its fields: a template that did not change is not compiled again. */
  readonly octets: Uint8Array;
  readonly fields: number;
  readonly flows: Plan | undefined;
  readonly options: OptionsPlan | undefined;
  /** When it was sent last, milliseconds of a monotonic clock. */
  seenMs: number;
}

/**
 * The state of one observation domain (IPFIX), source id (NetFlow 9) or engine (NetFlow 5) of an
 * exporter.
 */
export class Domain {
  readonly templates = new Map<number, Template>();
  readonly sampling = new SamplingRates();
  /** When the exporter started, epoch milliseconds; NaN: unknown. IPFIX only. */
  systemInitMs = Number.NaN;
  /** Sequence number that the next datagram should have. */
  nextSequence = UNKNOWN_SEQUENCE;
  /** Uptime in the last datagram, milliseconds. NetFlow 5 and 9 only. */
  uptimeMs = 0;
  seenMs = 0;
}

/**
 * The domains of all exporters. Room is not taken from one exporter for another: when the table is
 * full, a new entry is refused until one expires, so a flood of forged exporters cannot end the
 * flows of those that are known.
 */
export class Domains {
  readonly #domains = new Map<string, Domain>();
  #templates = 0;
  #fields = 0;
  #sweptMs = Number.NEGATIVE_INFINITY;
  /** Entries that expired. */
  expired = 0;
  /** Counts changes of templates and of sampling rates. */
  changes = 0;

  get templates(): number {
    return this.#templates;
  }

  get size(): number {
    return this.#domains.size;
  }

  entries(): IterableIterator<readonly [key: string, domain: Domain]> {
    return this.#domains.entries();
  }

  /** The domain, which is made if it is missing; undefined: there is no room. */
  of(key: string, nowMs: number): Domain | undefined {
    if (nowMs - this.#sweptMs >= SWEEP_PERIOD_MS) this.#sweep(nowMs);
    let domain = this.#domains.get(key);
    if (domain === undefined) {
      if (this.#domains.size >= DOMAINS_MAX) return undefined;
      domain = new Domain();
      this.#domains.set(key, domain);
    }
    domain.seenMs = nowMs;
    return domain;
  }

  hasRoom(domain: Domain, fields: number): boolean {
    return (
      domain.templates.size < DOMAIN_TEMPLATES_MAX &&
      this.#templates < TEMPLATES_MAX &&
      this.#fields + fields <= FIELDS_MAX
    );
  }

  /** Adds a template whose number is free, and for which there is room. */
  add(domain: Domain, id: number, template: Template): void {
    domain.templates.set(id, template);
    this.changes++;
    this.#templates++;
    this.#fields += template.fields;
  }

  remove(domain: Domain, id: number): void {
    const known = domain.templates.get(id);
    if (known === undefined) return;
    domain.templates.delete(id);
    this.changes++;
    this.#templates--;
    this.#fields -= known.fields;
  }

  /** Removes the templates of flows, those of options, or both. */
  removeAll(domain: Domain, kind: 'flows' | 'options' | 'all'): void {
    for (const [id, template] of domain.templates) {
      const isOptions = template.options !== undefined;
      if (kind === 'all' || (kind === 'options') === isOptions) this.remove(domain, id);
    }
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    for (const [key, domain] of this.#domains) {
      const isGone = nowMs - domain.seenMs > LIFETIME_MS;
      for (const [id, { seenMs }] of domain.templates) {
        if (!isGone && nowMs - seenMs <= LIFETIME_MS) continue;
        this.remove(domain, id);
        this.expired++;
      }
      if (isGone) this.#domains.delete(key);
    }
  }
}
