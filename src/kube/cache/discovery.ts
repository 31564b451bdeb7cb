import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { KubeClient } from '../client.ts';
import { addressOf } from '../index/networks.ts';
import type { KubeMetrics } from '../metrics.ts';
import { Reflector, type ReflectorLimits } from '../reflector.ts';
import { recordOf, textOf } from '../values.ts';
import type { InformersMetrics } from './informers-metrics.ts';

export interface DiscoveryConfig {
  readonly namespace: string;
  /** Labels of the pods of processors: `app=flowlogs-pipeline`. */
  readonly selector: string;
  /** Name of a headless service, in place of the selector; empty: none. */
  readonly serviceName: string;
  /** Time between two look-ups of the name, milliseconds. */
  readonly resyncMs: number;
}

export interface DiscoveryDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly kubeMetrics: KubeMetrics;
  readonly metrics: InformersMetrics;
  /** The addresses of a name. */
  readonly resolve: (name: string) => Promise<readonly string[]>;
}

/** Where processors are. */
export interface Discovery {
  /** Calls `found` with all addresses when they change. Never rejects; ends with the signal. */
  run(found: (addresses: ReadonlySet<string>) => void, signal: AbortSignal): Promise<void>;
  /** Why processors cannot be found; empty while all is well. */
  readonly problem: string;
}

export function createDiscovery(
  config: DiscoveryConfig,
  deps: DiscoveryDeps,
  limits: Partial<ReflectorLimits> = {},
): Discovery {
  return config.serviceName === ''
    ? new PodDiscovery(config, deps, limits)
    : new NameDiscovery(config, deps);
}

/** Looked up as pods of the cluster do it. */
export function dnsName({ serviceName, namespace }: DiscoveryConfig): string {
  if (serviceName === '' || serviceName.includes('.')) return serviceName;
  return `${serviceName}.${namespace}.svc`;
}

interface ProcessorPod {
  readonly uid: string;
  /** Empty: it does not run. */
  readonly address: string;
}

/** Watches the pods that have the labels. */
class PodDiscovery implements Discovery {
  readonly #addresses = new Map<string, string>();
  readonly #reflector: Reflector<ProcessorPod>;
  #found: (addresses: ReadonlySet<string>) => void = () => undefined;

  constructor(
    { namespace, selector }: DiscoveryConfig,
    deps: DiscoveryDeps,
    limits: Partial<ReflectorLimits>,
  ) {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
    this.#reflector = new Reflector<ProcessorPod>(
      { name: 'processors', path, labelSelector: selector },
      {
        slim: slimPod,
        replace: (pods) => {
          this.#addresses.clear();
          for (const { uid, address } of pods) this.#addresses.set(uid, address);
          this.#tell();
        },
        put: ({ uid, address }) => {
          this.#addresses.set(uid, address);
          this.#tell();
        },
        remove: ({ uid }) => {
          this.#addresses.delete(uid);
          this.#tell();
        },
      },
      { ...deps, metrics: deps.kubeMetrics },
      limits,
    );
  }

  get problem(): string {
    return this.#reflector.problem;
  }

  async run(found: (addresses: ReadonlySet<string>) => void, signal: AbortSignal): Promise<void> {
    this.#found = found;
    await this.#reflector.run(signal);
  }

  #tell(): void {
    this.#found(new Set([...this.#addresses.values()].filter((address) => address !== '')));
  }
}

function slimPod(object: unknown): ProcessorPod | undefined {
  const { metadata, status } = recordOf(object);
  const uid = textOf(recordOf(metadata).uid);
  const { phase, podIP } = recordOf(status);
  if (uid === '') return undefined;
  return { uid, address: phase === 'Running' ? addressOf(textOf(podIP)) : '' };
}

/** Asks for the addresses of a name, again and again. */
class NameDiscovery implements Discovery {
  readonly #name: string;
  readonly #resyncMs: number;
  readonly #deps: DiscoveryDeps;
  problem = '';

  constructor(config: DiscoveryConfig, deps: DiscoveryDeps) {
    this.#name = dnsName(config);
    this.#resyncMs = config.resyncMs;
    this.#deps = deps;
  }

  async run(found: (addresses: ReadonlySet<string>) => void, signal: AbortSignal): Promise<void> {
    const { resolve, clock } = this.#deps;
    while (!signal.aborted) {
      try {
        const addresses = new Set(await resolve(this.#name));
        this.problem = '';
        if (!signal.aborted) found(addresses);
      } catch (error) {
        this.#failed(error);
      }
      await clock.sleep(this.#resyncMs, signal).catch(() => undefined);
    }
  }

  /** Those found before stay. */
  #failed(error: unknown): void {
    const { metrics, log } = this.#deps;
    metrics.failed('discovery');
    if (this.problem === '') {
      const fields = { component: 'informers', name: this.#name, error: explain(error) };
      log.warn(fields, 'the name of the processors cannot be resolved');
    }
    this.problem = `${this.#name}: ${explain(error)}`;
  }
}
