import { FakeApi } from '../support/kube/fake-api.ts';
import { node, owner, pod, service } from '../support/kube/objects.ts';

const PODS_PER_WORKLOAD = 10;
const PODS_PER_NODE = 50;
const PODS_PER_SERVICE = 10;
const NAMESPACES = 20;

const PODS = '/api/v1/pods';

/** The rest of a pod as the API has it, which no processor keeps: 4 kB. */
const CONTAINER = {
  name: 'main',
  image: `registry.example/team/main@sha256:${'0123456789abcdef'.repeat(4)}`,
  args: ['--listen=:8080', '--log-level=info', '--config=/etc/main/config.yaml'],
  env: Array.from({ length: 12 }, (_, at) => ({ name: `SETTING_${at}`, value: `value ${at}` })),
  resources: { limits: { cpu: '1', memory: '512Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
  volumeMounts: [{ name: 'config', mountPath: '/etc/main', readOnly: true }],
  livenessProbe: { httpGet: { path: '/livez', port: 8080 }, periodSeconds: 10 },
  terminationMessagePath: '/dev/termination-log',
};
const MANAGED_FIELDS = ['kube-controller-manager', 'kubelet'].map((manager) => ({
  ...{ manager, operation: 'Update', apiVersion: 'v1', time: '2026-01-01T00:00:00Z' },
  fieldsType: 'FieldsV1',
  fieldsV1: Object.fromEntries(
    Array.from({ length: 24 }, (_, at) => [`f:field-${at}`, { '.': {}, 'f:name': {} }]),
  ),
}));
const VOLUMES = ['config', 'data', 'kube-api-access'].map((name) => ({
  name,
  projected: { defaultMode: 420, sources: [{ configMap: { name: `${name}-root-ca.crt` } }] },
}));

export function podAddress(index: number): string {
  return `10.${128 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

/** A server of the API's protocol with a cluster of as many pods, which are replaced in turn. */
export class Cluster implements AsyncDisposable {
  readonly api = new FakeApi();
  readonly #pods: number;
  #replaced = 0;

  constructor(pods: number) {
    this.#pods = pods;
    const count = (per: number): number => Math.ceil(pods / per);
    for (let at = 0; at < count(PODS_PER_NODE); at++) {
      this.api.set('/api/v1/nodes', node(nodeName(at), [nodeAddress(at)], `zone-${at % 3}`));
    }
    for (let at = 0; at < count(PODS_PER_SERVICE); at++) {
      const address = `172.30.${at >> 8}.${at & 255}`;
      this.api.set('/api/v1/services', service(`service-${at}`, [address]));
    }
    for (let at = 0; at < count(PODS_PER_WORKLOAD); at++) {
      const replicas = owner('ReplicaSet', replicaSet(at), ['Deployment', `workload-${at}`]);
      this.api.set('/apis/apps/v1/replicasets', replicas);
    }
    for (let at = 0; at < pods; at++) this.api.set(PODS, podObject(at, 0));
  }

  /** A pod goes, and another one of the same workload gets its address: three events. */
  replacePod(): void {
    const index = this.#replaced % this.#pods;
    const round = Math.floor(this.#replaced++ / this.#pods);
    this.api.remove(PODS, podObject(index, round).metadata.uid);
    this.api.set(PODS, podObject(index, round + 1, false));
    this.api.set(PODS, podObject(index, round + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.stop();
  }
}

function podObject(index: number, round: number, hasAddress = true) {
  const workload = Math.floor(index / PODS_PER_WORKLOAD);
  const at = Math.floor(index / PODS_PER_NODE);
  const startMs = round === 0 ? 0 : Date.now();
  const suffix = (index * 997 + round).toString(36).padStart(5, '0');
  const { metadata, spec, status } = pod(`${replicaSet(workload)}-${suffix}`, {
    uid: `8d4f7c1e-5b2a-4e63-${hex(round, 4)}-${hex(index, 12)}`,
    namespace: `team-${workload % NAMESPACES}`,
    ips: hasAddress ? [podAddress(index)] : [],
    hostIps: [nodeAddress(at)],
    node: nodeName(at),
    startMs,
    ...(hasAddress ? { readyMs: startMs } : { phase: 'Pending' }),
    owner: ['ReplicaSet', replicaSet(workload)],
    labels: { app: `workload-${workload}`, 'pod-template-hash': '6d5f8c7b9' },
  });
  return {
    metadata: { ...metadata, managedFields: MANAGED_FIELDS },
    spec: { ...(spec as object), containers: [CONTAINER], volumes: VOLUMES },
    status,
  };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function nodeName(index: number): string {
  return `node-${index}.example`;
}

function nodeAddress(index: number): string {
  return `10.0.${index >> 8}.${index & 255}`;
}

function replicaSet(index: number): string {
  return `workload-${index}-6d5f8c7b9`;
}
