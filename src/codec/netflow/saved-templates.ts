import { LIFETIME_MS } from '../exporters/session.ts';
import type { TemplateSets, TemplateVersion } from './template-sets.ts';
import type { Domains } from './templates.ts';

/** A template as it was sent, with its head. */
export interface SavedTemplate {
  readonly isOptions: boolean;
  readonly octets: string;
  /** When it was sent last, epoch milliseconds. */
  readonly seenMs: number;
}

/** The state of an observation domain that survives a restart of this program. */
export interface SavedDomain {
  /** Version, exporter's address, port and number of the domain. */
  readonly key: string;
  readonly uptimeMs: number;
  /** When the exporter started, epoch milliseconds; 0: unknown. */
  readonly systemInitMs: number;
  /** Sampling rate where flows name no sampler; 0: unknown. */
  readonly rate: number;
  readonly samplers: readonly { readonly id: number; readonly rate: number }[];
  readonly templates: readonly SavedTemplate[];
}

/** Wall clock, and a monotonic one. */
export interface SavingTimes {
  readonly wallMs: number;
  readonly nowMs: number;
}

/** Key of a domain with templates: those of NetFlow 5 have none. */
const KEY = /^(9|10)\/[0-9A-Fa-f:.]{2,45}\/\d{1,5}\/\d{1,10}$/;

export function saveDomains(domains: Domains, { wallMs, nowMs }: SavingTimes): SavedDomain[] {
  const saved: SavedDomain[] = [];
  for (const [key, domain] of domains.entries()) {
    if (!KEY.test(key) || domain.templates.size === 0) continue;
    saved.push({
      ...{ key, uptimeMs: domain.uptimeMs, rate: domain.sampling.all },
      systemInitMs: domain.systemInitMs || 0,
      samplers: domain.sampling.samplers(),
      templates: [...domain.templates.values()].map(({ octets, options, seenMs }) => ({
        isOptions: options !== undefined,
        octets: Buffer.from(octets).toString('base64'),
        seenMs: Math.round(wallMs - (nowMs - seenMs)),
      })),
    });
  }
  return saved;
}

/**
 * Adds what was saved, within the same bounds as for datagrams; templates that are too old are
 * left out. Returns the number of parts that are wrong, or that there is no room for.
 */
export function restoreDomains(
  saved: readonly SavedDomain[],
  domains: Domains,
  sets: TemplateSets,
  { wallMs, nowMs }: SavingTimes,
): number {
  let refused = 0;
  for (const { key, uptimeMs, systemInitMs, rate, samplers, templates } of saved) {
    const ages = templates.map(({ seenMs }) => Math.max(wallMs - seenMs, 0));
    if (ages.every((age) => age > LIFETIME_MS)) continue;
    const version = Number(KEY.exec(key)?.[1]) as TemplateVersion;
    const domain = Number.isNaN(version) ? undefined : domains.of(key, nowMs);
    if (domain === undefined) {
      refused++;
      continue;
    }
    domain.uptimeMs = uptimeMs;
    domain.systemInitMs = systemInitMs || Number.NaN;
    domain.sampling.all = rate;
    for (const sampler of samplers) {
      if (!domain.sampling.set(sampler.id, sampler.rate)) refused++;
    }
    for (const [index, { isOptions, octets }] of templates.entries()) {
      const age = ages[index]!;
      if (age > LIFETIME_MS) continue;
      const bytes = Buffer.from(octets, 'base64');
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const set = { version, isOptions };
      const before = domain.templates.size;
      const problem = sets.read(view, 0, bytes.length, set, domain, nowMs - age);
      if (problem !== undefined || domain.templates.size !== before + 1) refused++;
    }
  }
  return refused;
}
