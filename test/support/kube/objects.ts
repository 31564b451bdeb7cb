import type { ApiObject } from './fake-api.ts';

/** Objects of Kubernetes as the API returns them, reduced to the parts that matter here. */

interface PodFacts {
  readonly namespace?: string;
  readonly uid?: string;
  readonly ips?: readonly string[];
  readonly hostIps?: readonly string[];
  readonly node?: string;
  readonly isHostNetwork?: boolean;
  readonly phase?: string;
  /** Epoch milliseconds. */
  readonly readyMs?: number;
  readonly startMs?: number;
  readonly finishedMs?: number;
  readonly owner?: readonly [kind: string, name: string];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** RFC 3339 in whole seconds, as the API has it. */
export function time(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

export function pod(name: string, facts: PodFacts = {}): ApiObject {
  const { namespace = 'shop', ips = [], hostIps = ['192.168.0.1'], node = 'node-1' } = facts;
  const { readyMs, startMs = 0, finishedMs, phase = 'Running', owner } = facts;
  return {
    metadata: {
      ...{ uid: facts.uid ?? `uid-${name}`, name, namespace },
      creationTimestamp: time(startMs),
      labels: facts.labels,
      annotations: facts.annotations,
      ownerReferences: owner === undefined ? undefined : [ownerReference(...owner)],
    },
    spec: { nodeName: node, hostNetwork: facts.isHostNetwork },
    status: {
      phase,
      startTime: time(startMs),
      hostIP: hostIps[0],
      hostIPs: hostIps.map((ip) => ({ ip })),
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      conditions:
        readyMs === undefined
          ? []
          : [
              { type: 'Ready', status: 'True', lastTransitionTime: time(0) },
              {
                type: 'PodReadyToStartContainers',
                status: 'True',
                lastTransitionTime: time(readyMs),
              },
            ],
      containerStatuses:
        finishedMs === undefined
          ? []
          : [{ state: { terminated: { finishedAt: time(finishedMs) } } }],
    },
  };
}

export function node(
  name: string,
  addresses: readonly string[],
  zone = '',
  annotations: Readonly<Record<string, string>> = {},
): ApiObject {
  return {
    metadata: {
      ...{ uid: `uid-${name}`, name, annotations },
      creationTimestamp: time(0),
      labels: zone === '' ? {} : { 'topology.kubernetes.io/zone': zone },
    },
    status: {
      addresses: [
        { type: 'Hostname', address: name },
        ...addresses.map((address) => ({ type: 'InternalIP', address })),
      ],
    },
  };
}

export function service(
  name: string,
  clusterIPs: readonly string[],
  more: {
    readonly externalIPs?: readonly string[];
    readonly ingress?: readonly object[];
    readonly ports?: readonly object[];
    readonly startMs?: number;
  } = {},
): ApiObject {
  const { externalIPs, ports, startMs = 0 } = more;
  return {
    metadata: { uid: `uid-${name}`, name, namespace: 'shop', creationTimestamp: time(startMs) },
    spec: { clusterIP: clusterIPs[0], clusterIPs, externalIPs, ports },
    status: { loadBalancer: { ingress: more.ingress } },
  };
}

/** A slice of a service, with addresses that are those of pods, or not. */
export function slice(
  service: string,
  endpoints: readonly (readonly [address: string, target?: 'Pod'])[],
): ApiObject {
  const name = `${service}-slice`;
  const labels = { 'kubernetes.io/service-name': service, team: 'slice' };
  return {
    metadata: { uid: `uid-${name}`, name, namespace: 'shop', creationTimestamp: time(0), labels },
    endpoints: endpoints.map(([address, kind]) => ({
      addresses: [address],
      ...(kind === undefined ? {} : { targetRef: { kind, name: 'x' } }),
    })),
  };
}

/** An object that owns others, `PartialObjectMetadata`. */
export function owner(
  kind: string,
  name: string,
  parent?: readonly [kind: string, name: string],
): ApiObject {
  return {
    metadata: {
      ...{ uid: ownerUid(kind, name), name, namespace: 'shop' },
      ownerReferences: parent === undefined ? undefined : [ownerReference(...parent)],
    },
  };
}

function ownerReference(kind: string, name: string) {
  return { apiVersion: 'apps/v1', kind, name, uid: ownerUid(kind, name), controller: true };
}

function ownerUid(kind: string, name: string): string {
  return `uid-${kind}-${name}`;
}
