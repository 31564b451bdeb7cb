import type { Metrics } from '../telemetry/metrics.ts';

/** Requests to the Kubernetes API, and the objects that are kept. */
export interface KubeMetrics {
  listed(resource: string): void;
  watched(resource: string): void;
  events(resource: string, type: string): void;
  failed(resource: string, code: string): void;
  objects(kind: string, count: number): void;
  /** Things left out or forgotten since a table is full. */
  evicted(table: string, count: number): void;
  /** Flows that got a name. */
  hits(kind: string, namespace: string, network: string, count: number): void;
}

/** `collect` is called before hits are read. */
export function createKubeMetrics(metrics: Metrics, collect?: () => void): KubeMetrics {
  const lists = metrics.counter('kube_lists_total', 'Complete lists of a Kubernetes resource', [
    'resource',
  ]);
  const watches = metrics.counter(
    'kube_watches_total',
    'Watches of a Kubernetes resource that began',
    ['resource'],
  );
  const events = metrics.counter('kube_events_total', 'Events of watches by type', [
    'resource',
    'type',
  ]);
  const errors = metrics.counter(
    'kube_errors_total',
    'Failed requests, and objects that cannot be used, by the code of the error or the HTTP status',
    ['resource', 'code'],
  );
  const objects = metrics.gauge(
    'kube_objects',
    'Objects of Kubernetes that flows are named after, and their owners',
    ['kind'],
  );
  const evictions = metrics.counter(
    'kube_evictions_total',
    'Entries left out or forgotten early since a table is full',
    ['table'],
  );
  const hits = metrics.counter(
    'secondary_network_indexer_hit',
    'Ends of flows that got the name of an object of Kubernetes, in any network',
    ['kind', 'namespace', 'network'],
    collect,
  );
  return {
    listed: (resource) => lists.inc({ resource }),
    watched: (resource) => watches.inc({ resource }),
    events: (resource, type) => events.inc({ resource, type }),
    failed: (resource, code) => errors.inc({ resource, code }),
    objects: (kind, count) => objects.set({ kind }, count),
    evicted: (table, count) => evictions.inc({ table }, count),
    hits: (kind, namespace, network, count) => hits.inc({ kind, namespace, network }, count),
  };
}
