import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlPlane, MERGE, PROCESSOR_NAME } from './control-plane.ts';

/** Sizes of the world for a number of pods; a large cluster has 10,000. */
export interface WorldSize {
  readonly pods: number;
  readonly services: number;
  readonly nodes: number;
}

const NAMESPACE = 'shop';
const PODS = `/api/v1/namespaces/${NAMESPACE}/pods`;
const SERVICES = `/api/v1/namespaces/${NAMESPACE}/services`;
const APPS = `/apis/apps/v1/namespaces/${NAMESPACE}`;
const CONTROLLER = 'endpointslice-controller.k8s.io';
/** A service with an endpoint outside of the cluster, and another that must not be read. */
export const OUTSIDE = { name: 'database', address: '192.0.2.77', unread: '192.0.2.78' };
const DEPLOYMENTS = 10;
/** Requests at the same time. */
const WIDTH = 32;

/** One pod, and the time in which it surely had its addresses, epoch milliseconds. */
export interface Tenancy {
  readonly slot: number;
  readonly name: string;
  /** The kubelet says to the second when the pod had its network. */
  readonly isExact: boolean;
  readonly fromMs: number;
  /** Infinity while it has them. */
  toMs: number;
}

/** A service as the API stores it. */
export interface WorldService {
  readonly name: string;
  readonly clusterIPs: readonly string[];
  readonly nodePort: number | undefined;
  readonly externalIp: string;
  readonly balancerIp: string;
}

const two = (number: number): string => `${number >> 8}.${number & 255}`;

export const podIps = (slot: number): readonly [string, string] => [
  `10.${128 + (slot >> 16)}.${two(slot & 0xffff)}`,
  `fd00:128::${(slot + 1).toString(16)}`,
];
export const nodeIps = (node: number): readonly [string, string] => [
  `192.168.${two(node + 256)}`,
  `fd00:192::${(node + 1).toString(16)}`,
];
const externalIp = (service: number): string => `198.51.${two(service)}`;
const balancerIp = (service: number): string => `203.0.${two(service)}`;

/**
 * A cluster as it truly is, with the API server told of it: the test does what controllers and
 * kubelets do, and keeps who had which address when.
 */
export class World {
  readonly size: WorldSize;
  readonly tenancies: Tenancy[] = [];
  readonly services: WorldService[] = [];
  /** The pod that has the addresses of a slot now. */
  readonly present: Tenancy[] = [];
  readonly #plane: ControlPlane;
  readonly #replicaSets: string[] = [];
  #pods = 0;

  private constructor(plane: ControlPlane, size: WorldSize) {
    this.#plane = plane;
    this.size = size;
  }

  static async make(plane: ControlPlane, size: WorldSize): Promise<World> {
    const world = new World(plane, size);
    await plane.send('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } });
    await world.#makeRole();
    await each(DEPLOYMENTS, (index) => world.#makeDeployment(index));
    await each(size.nodes, (index) => world.#makeNode(index));
    await each(size.services, (index) => world.#makeService(index));
    await world.#makeSlices();
    await each(size.pods, (slot) => world.#makePod(slot));
    return world;
  }

  deploymentOf(slot: number): string {
    return `app-${slot % DEPLOYMENTS}`;
  }

  nodeOf(slot: number): number {
    return slot % this.size.nodes;
  }

  zoneOf(node: number): string {
    return `zone-${node % 3}`;
  }

  /**
   * Replaces the pods of the first slots, one after the other, at a rate; each address goes to the
   * next pod at once. Every third pod succeeds, and is removed only after that.
   */
  async churn(seconds: number, perSecond: number, slots: number): Promise<number> {
    const startMs = Date.now();
    const running = new Set<Promise<void>>();
    let count = 0;
    for (let elapsedMs = 0; elapsedMs < seconds * 1000; elapsedMs = Date.now() - startMs) {
      while (count < (elapsedMs / 1000) * perSecond && running.size < WIDTH) {
        const slot = count++ % slots;
        const one: Promise<void> = this.#replace(slot).finally(() => running.delete(one));
        // A failure ends the test below.
        one.catch(() => undefined);
        running.add(one);
      }
      await Promise.race([sleep(5), ...running]);
    }
    await Promise.all(running);
    return count;
  }

  async #replace(slot: number): Promise<void> {
    const old = this.present[slot]!;
    if (old.toMs !== Number.POSITIVE_INFINITY) return;
    const path = `${PODS}/${old.name}`;
    old.toMs = Date.now();
    const remove = () => this.#plane.send('DELETE', `${path}?gracePeriodSeconds=0`);
    if (this.#pods % 3 > 0) {
      await remove();
      await this.#makePod(slot);
      return;
    }
    const terminated = { exitCode: 0, finishedAt: time(Date.now()) };
    const statuses = [{ name: 'main', image: 'x', imageID: '', ready: false, restartCount: 0 }];
    const containerStatuses = statuses.map((one) => ({ ...one, state: { terminated } }));
    const status = { phase: 'Succeeded', containerStatuses };
    await this.#plane.send('PATCH', `${path}/status`, { status }, MERGE);
    await this.#makePod(slot);
    await remove();
  }

  async #makePod(slot: number): Promise<void> {
    const number = this.#pods++;
    const name = `pod-${slot}-${number}`;
    const [deployment, node] = [slot % DEPLOYMENTS, this.nodeOf(slot)];
    const startMs = Date.now();
    await this.#plane.send('POST', PODS, {
      metadata: {
        ...{ name, labels: { app: this.deploymentOf(slot) } },
        ownerReferences: [
          {
            ...{ apiVersion: 'apps/v1', kind: 'ReplicaSet', controller: true },
            ...{ name: `app-${deployment}-rs`, uid: this.#replicaSets[deployment] },
          },
        ],
      },
      spec: { nodeName: `node-${node}`, containers: [{ name: 'main', image: 'x' }] },
    });
    const isExact = number % 2 === 0;
    const fromMs = Date.now();
    const ready = { type: 'PodReadyToStartContainers', status: 'True' };
    const status = {
      ...{ phase: 'Running', startTime: time(startMs) },
      ...{ podIP: podIps(slot)[0], podIPs: podIps(slot).map((ip) => ({ ip })) },
      ...{ hostIP: nodeIps(node)[0], hostIPs: nodeIps(node).map((ip) => ({ ip })) },
      conditions: isExact ? [{ ...ready, lastTransitionTime: time(fromMs) }] : [],
    };
    await this.#plane.send('PATCH', `${PODS}/${name}/status`, { status }, MERGE);
    const tenancy = { slot, name, isExact, fromMs, toMs: Number.POSITIVE_INFINITY };
    this.present[slot] = tenancy;
    this.tenancies.push(tenancy);
  }

  async #makeNode(index: number): Promise<void> {
    const name = `node-${index}`;
    const labels = { 'topology.kubernetes.io/zone': this.zoneOf(index) };
    await this.#plane.send('POST', '/api/v1/nodes', { metadata: { name, labels } });
    const addresses = [
      { type: 'Hostname', address: name },
      ...nodeIps(index).map((address) => ({ type: 'InternalIP', address })),
    ];
    const path = `/api/v1/nodes/${name}/status`;
    await this.#plane.send('PATCH', path, { status: { addresses } }, MERGE);
  }

  /** A third of them each: of the cluster only, with ports on nodes, with a load balancer. */
  async #makeService(index: number): Promise<void> {
    const name = `service-${index}`;
    const type = ['ClusterIP', 'NodePort', 'LoadBalancer'][index % 3]!;
    const { spec } = await this.#plane.send('POST', SERVICES, {
      metadata: { name },
      spec: {
        ...{ type, ipFamilyPolicy: 'RequireDualStack', externalIPs: [externalIp(index)] },
        ...{ ports: [{ port: 80, protocol: 'TCP' }], selector: { app: this.deploymentOf(index) } },
      },
    });
    const hasBalancer = type === 'LoadBalancer';
    if (hasBalancer) {
      const status = { loadBalancer: { ingress: [{ ip: balancerIp(index) }] } };
      await this.#plane.send('PATCH', `${SERVICES}/${name}/status`, { status }, MERGE);
    }
    this.services[index] = {
      ...{ name, clusterIPs: spec.clusterIPs, nodePort: spec.ports[0]!.nodePort },
      ...{ externalIp: externalIp(index), balancerIp: hasBalancer ? balancerIp(index) : '' },
    };
  }

  /**
   * One as an administrator writes it, and one as the controller does, as if its endpoint were not
   * that of a pod.
   */
  async #makeSlices(): Promise<void> {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;
    const make = (name: string, address: string, manager: object) =>
      this.#plane.send('POST', path, {
        metadata: { name, labels: { 'kubernetes.io/service-name': OUTSIDE.name, ...manager } },
        ...{ addressType: 'IPv4', endpoints: [{ addresses: [address] }], ports: [] },
      });
    const controller = { 'endpointslice.kubernetes.io/managed-by': CONTROLLER };
    await make(`${OUTSIDE.name}-own`, OUTSIDE.address, {});
    await make(`${OUTSIDE.name}-controlled`, OUTSIDE.unread, controller);
  }

  async #makeDeployment(index: number): Promise<void> {
    const name = `app-${index}`;
    const labels = { app: name };
    const template = {
      metadata: { labels },
      spec: { containers: [{ name: 'main', image: 'x' }] },
    };
    const spec = { replicas: 0, selector: { matchLabels: labels }, template };
    const body = { metadata: { name }, spec };
    const deployment = await this.#plane.send('POST', `${APPS}/deployments`, body);
    const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name, controller: true };
    const ownerReferences = [{ ...owner, uid: deployment.metadata.uid }];
    const metadata = { name: `${name}-rs`, ownerReferences };
    const { metadata: made } = await this.#plane.send('POST', `${APPS}/replicasets`, {
      ...{ metadata, spec },
    });
    this.#replicaSets[index] = made.uid;
  }

  /** Rights without those for jobs. */
  async #makeRole(): Promise<void> {
    const [path, name] = ['/apis/rbac.authorization.k8s.io/v1', PROCESSOR_NAME];
    const verbs = ['list', 'get', 'watch'];
    const rules = [
      { apiGroups: [''], resources: ['pods', 'services', 'nodes'], verbs },
      { apiGroups: ['apps'], resources: ['replicasets', 'deployments'], verbs },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs },
    ];
    await this.#plane.send('POST', `${path}/clusterroles`, { metadata: { name }, rules });
    const apiGroup = 'rbac.authorization.k8s.io';
    await this.#plane.send('POST', `${path}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup, kind: 'ClusterRole', name },
      subjects: [{ apiGroup, kind: 'User', name }],
    });
  }
}

async function each(count: number, make: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await make(next++);
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
}

/** RFC 3339 in whole seconds, as Kubernetes writes it. */
function time(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}
