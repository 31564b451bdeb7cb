import { Counter, Gauge, Histogram, type Metric, Registry } from 'prom-client';
import { NetobservError } from '../base/errors.ts';
import { TELEMETRY_ERRORS } from './errors.ts';

/** Metrics kept outside of the registry, as text of the Prometheus exposition format. */
export interface TextSource {
  /** Full names of its metric families, checked against all others. */
  readonly names: readonly string[];
  /** Complete families (`# HELP`, `# TYPE`, samples), each line ended by a newline. */
  text(): string;
  /**
   * Families may also be the registry's, with other labels: those of another thread of this
   * process.
   */
  readonly joins?: boolean;
}

/**
 * Operational metrics of the program itself. Components declare theirs in one file each
 * (`metrics.ts`) through this façade, which adds the prefix; metrics of flows are kept elsewhere,
 * in integer-keyed accumulators, and only exposed through `expose`.
 */
export interface Metrics {
  readonly registry: ExposedRegistry;
  /** `collect` is called before the values are read. */
  counter<L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: () => void,
  ): Counter<L>;
  gauge<L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: () => void,
  ): Gauge<L>;
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
  /** Adds the families of `source` to what `registry.metrics()` returns, until disposed. */
  expose(source: TextSource): Disposable;
}

/**
 * A registry whose text also holds the families of text sources: for 100,000 series, an object per
 * series (as prom-client's own metrics return) costs ten times the text itself.
 */
export class ExposedRegistry extends Registry {
  readonly #sources = new Set<TextSource>();

  addSource(source: TextSource): Disposable {
    for (const name of source.names) {
      const taken =
        (this.getSingleMetric(name) !== undefined && source.joins !== true) ||
        [...this.#sources].some((other) => other.names.includes(name));
      if (taken) {
        throw new NetobservError(
          TELEMETRY_ERRORS.metricDuplicate,
          `metric ${name} is already exposed: choose another name or prefix`,
          { details: { metric: name } },
        );
      }
    }
    this.#sources.add(source);
    return { [Symbol.dispose]: () => this.#sources.delete(source) };
  }

  override async metrics(): Promise<string> {
    let own = await super.metrics();
    const parts: string[] = [];
    for (const source of this.#sources) {
      if (source.joins === true) own = joinFamilies(own, source.text());
      else parts.push(source.text());
    }
    return [own, ...parts].join('');
  }
}

/** Joins both texts, with all samples of a family together, as the format requires. */
function joinFamilies(text: string, more: string): string {
  const families = new Map<string, string>();
  for (const family of [text, more].flatMap((one) => one.split(/^(?=# HELP )/m))) {
    const name = /^# HELP (\S+)/.exec(family)?.[1] ?? '';
    const known = families.get(name);
    const samples = family.replaceAll(/^#.*\n/gm, '');
    families.set(name, known === undefined ? family : `${known.trimEnd()}\n${samples}`);
  }
  return [...families.values()].join('');
}

const nothing = (): void => undefined;

/** A family that is declared again (by another instance of a component) is the same family. */
export function createMetrics(prefix: string, registry = new ExposedRegistry()): Metrics {
  const registers = [registry];
  const declared = <Family extends Metric>(
    name: string,
    family: new (...options: never[]) => Family,
    make: () => Family,
  ): Family => {
    const known: unknown = registry.getSingleMetric(prefix + name);
    return known instanceof family ? known : make();
  };
  return {
    registry,
    counter: <L extends string>(
      name: string,
      help: string,
      labels: readonly L[] = [],
      collect = nothing,
    ) => {
      const options = { name: prefix + name, help, labelNames: [...labels], registers, collect };
      return declared<Counter<L>>(name, Counter, () => new Counter(options));
    },
    gauge: <L extends string>(
      name: string,
      help: string,
      labels: readonly L[] = [],
      collect = nothing,
    ) => {
      const options = { name: prefix + name, help, labelNames: [...labels], registers, collect };
      return declared<Gauge<L>>(name, Gauge, () => new Gauge(options));
    },
    histogram: <L extends string>(
      name: string,
      help: string,
      buckets: readonly number[],
      labels: readonly L[] = [],
    ) => {
      const shape = { buckets: [...buckets], labelNames: [...labels] };
      const options = { name: prefix + name, help, registers, ...shape };
      return declared<Histogram<L>>(name, Histogram, () => new Histogram(options));
    },
    expose: (source) => registry.addSource(source),
  };
}
