import { formatAddress, parseAddress, parseCidr } from '../../base/ip.ts';
import { jsonOf, listOf, recordOf, textEntries, textOf } from '../values.ts';
import { type ClusterNeeds, type KeyFilter, wants } from './needs.ts';
import { networkKeys } from './networks.ts';
import { nodePortKeys } from './node-ports.ts';
import {
  type KubeKind,
  type KubeObject,
  type KubeOwner,
  type OwnerRef,
  PRIMARY_NETWORK,
} from './objects.ts';

type Json = Readonly<Record<string, unknown>>;

/** Kubernetes writes times in whole seconds. */
export const TIME_STEP_MS = 1000;

/** Names that one object may have; what has more is cut. */
const ADDRESSES_MAX = 64;
const SERVICE_LABEL = 'kubernetes.io/service-name';
export const ZONE_LABEL = 'topology.kubernetes.io/zone';
const OVN_SUBNETS = 'k8s.ovn.org/node-subnets';
/** OVN gives the second address of a node's subnet to its management port. */
const OVN_PORT_HOST = 2;

/** Values that are shared, until there are so many that it begins anew. */
const SHARED_MAX = 65_536;

/** Equal values as one in memory: many objects have few namespaces, nodes and owners. */
class Shared<T> {
  readonly #byKey = new Map<string, T>();

  of(key: string, value: T): T {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (this.#byKey.size >= SHARED_MAX) this.#byKey.clear();
    this.#byKey.set(key, value);
    return value;
  }
}

const NONE: readonly never[] = [];

/** Keeps of objects only what `needs` lists, so that the rest can be collected at once. */
export class Slimmer {
  readonly #needs: ClusterNeeds;
  readonly #texts = new Shared<string>();
  readonly #owners = new Shared<OwnerRef>();

  constructor(needs: ClusterNeeds) {
    this.#needs = needs;
  }

  pod(object: unknown): KubeObject | undefined {
    const { metadata, spec, status } = recordOf(object);
    const common = this.#common('Pod', recordOf(metadata));
    if (common === undefined) return undefined;
    const podSpec = recordOf(spec);
    const podStatus = recordOf(status);
    const hostIp = addressOf(podStatus.hostIP);
    const hosts = new Set([hostIp, ...addressesIn(podStatus.hostIPs, 'ip')]);
    // The addresses of the node name the node.
    const own =
      podSpec.hostNetwork === true
        ? []
        : addressesIn(podStatus.podIPs, 'ip').filter((address) => !hosts.has(address));
    const { phase } = podStatus;
    const isOver = phase === 'Succeeded' || phase === 'Failed';
    const readyMs = networkReadyMs(podStatus);
    return {
      ...common,
      fromMs: readyMs ?? timeOf(podStatus.startTime) ?? common.fromMs,
      // API servers before 1.29 do not say when a pod had its network.
      isExact: readyMs !== undefined,
      toMs: isOver ? finishedMs(podStatus) : Number.POSITIVE_INFINITY,
      addresses: own,
      networks: networkKeys(recordOf(recordOf(metadata).annotations), this.#needs.networks),
      hostIp: this.#shared(hostIp),
      hostName: this.#shared(textOf(podSpec.nodeName)),
      owner: this.#sharedOwner(recordOf(metadata)),
    };
  }

  node(object: unknown): KubeObject | undefined {
    const { metadata, status } = recordOf(object);
    const common = this.#common('Node', recordOf(metadata));
    if (common === undefined) return undefined;
    const { labels, annotations } = recordOf(metadata);
    const own = addressesIn(recordOf(status).addresses, 'address');
    const isOvn = this.#needs.managedCni.includes('ovn');
    const ports = isOvn ? managementPorts(textOf(recordOf(annotations)[OVN_SUBNETS])) : [];
    return {
      ...common,
      addresses: [...new Set([...own, ...ports])],
      hostIp: own[0] ?? '',
      hostName: common.name,
      zone: textOf(recordOf(labels)[ZONE_LABEL]),
    };
  }

  service(object: unknown): KubeObject | undefined {
    const { metadata, spec, status } = recordOf(object);
    const common = this.#common('Service', recordOf(metadata));
    if (common === undefined) return undefined;
    const { clusterIPs, clusterIP, externalIPs, ports } = recordOf(spec);
    const { ingress } = recordOf(recordOf(status).loadBalancer);
    const own = [clusterIP, ...listOf(clusterIPs), ...listOf(externalIPs)].map(addressOf);
    const all = [...own, ...addressesIn(ingress, 'ip')];
    const networks = nodePortKeys(ports, PRIMARY_NETWORK).slice(0, ADDRESSES_MAX);
    return { ...common, addresses: distinct(all), networks };
  }

  /** Addresses that are not those of pods: their own names say more. */
  endpointSlice(object: unknown): KubeObject | undefined {
    const { metadata, endpoints } = recordOf(object);
    const common = this.#common('EndpointSlice', recordOf(metadata));
    if (common === undefined) return undefined;
    const name = textOf(recordOf(recordOf(metadata).labels)[SERVICE_LABEL]);
    const others = listOf(endpoints)
      .map(recordOf)
      .filter(({ targetRef }) => recordOf(targetRef).kind !== 'Pod');
    const addresses = others.flatMap((endpoint) => listOf(endpoint.addresses).map(addressOf));
    return {
      ...common,
      name,
      addresses: name === '' ? [] : distinct(addresses),
      owner: { uid: '', kind: 'Service', name },
      // Those of the slice.
      labels: undefined,
      annotations: undefined,
    };
  }

  #shared(text: string): string {
    return this.#texts.of(text, text);
  }

  #sharedOwner(metadata: Json): OwnerRef | undefined {
    const owner = ownerOf(metadata);
    return owner === undefined ? undefined : this.#owners.of(owner.uid, owner);
  }

  #common(kind: KubeKind, metadata: Json): KubeObject | undefined {
    const { uid, name, namespace, labels, annotations, creationTimestamp } = metadata;
    if (textOf(uid) === '' || textOf(name) === '') return undefined;
    return {
      kind,
      uid: textOf(uid),
      namespace: this.#shared(textOf(namespace)),
      name: textOf(name),
      fromMs: timeOf(creationTimestamp) ?? Number.NEGATIVE_INFINITY,
      isExact: true,
      toMs: Number.POSITIVE_INFINITY,
      addresses: NONE,
      networks: NONE,
      hostIp: '',
      hostName: '',
      zone: '',
      owner: undefined,
      labels: wanted(labels, this.#needs.labels),
      annotations: wanted(annotations, this.#needs.annotations),
    };
  }
}

/** An object of any kind as an owner. */
export function slimOwner(kind: string, object: unknown): KubeOwner | undefined {
  const metadata = recordOf(recordOf(object).metadata);
  const uid = textOf(metadata.uid);
  const name = textOf(metadata.name);
  return uid === '' || name === '' ? undefined : { uid, kind, name, owner: ownerOf(metadata) };
}

/** The controller; if none is marked as such, the first owner. */
function ownerOf({ ownerReferences }: Json): OwnerRef | undefined {
  const owners = listOf(ownerReferences).map(recordOf);
  const owner = owners.find(({ controller }) => controller === true) ?? owners[0];
  if (owner === undefined || textOf(owner.name) === '') return undefined;
  return { uid: textOf(owner.uid), kind: textOf(owner.kind), name: textOf(owner.name) };
}

function wanted(texts: unknown, filters: readonly KeyFilter[]): KubeObject['labels'] {
  if (filters.length === 0) return undefined;
  const kept = textEntries(texts).filter(([key]) => filters.some((one) => wants(one, key)));
  return kept.length === 0 ? undefined : Object.fromEntries(kept);
}

/** When the sandbox of a pod had its network. */
function networkReadyMs({ conditions }: Json): number | undefined {
  const ready = listOf(conditions)
    .map(recordOf)
    .find(({ type, status }) => type === 'PodReadyToStartContainers' && status === 'True');
  return timeOf(ready?.lastTransitionTime);
}

/** When the last container ended: before the end of that second. */
function finishedMs({ containerStatuses }: Json): number | undefined {
  const times = listOf(containerStatuses).flatMap((status) => {
    const { terminated } = recordOf(recordOf(status).state);
    return timeOf(recordOf(terminated).finishedAt) ?? [];
  });
  return times.length === 0 ? undefined : Math.max(...times) + TIME_STEP_MS;
}

function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

function addressOf(value: unknown): string {
  const text = textOf(value);
  const bytes = parseAddress(text);
  if (bytes === undefined) return '';
  const usual = formatAddress(bytes);
  // V8 keeps the parts of a text that was put together.
  return usual === text ? text : usual;
}

function addressesIn(list: unknown, key: string): readonly string[] {
  return distinct(listOf(list).map((entry) => addressOf(recordOf(entry)[key])));
}

function distinct(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses)].filter((address) => address !== '').slice(0, ADDRESSES_MAX);
}

/** `{"default":["10.128.2.0/23"]}`, in older versions `{"default":"10.128.2.0/23"}`. */
function managementPorts(annotation: string): readonly string[] {
  if (annotation === '') return [];
  const subnets = recordOf(jsonOf(annotation)).default;
  return [subnets].flat().flatMap((subnet) => {
    const cidr = parseCidr(textOf(subnet));
    if (cidr === undefined) return [];
    const bytes = cidr.bytes.slice();
    bytes[15]! += OVN_PORT_HOST;
    return [formatAddress(bytes)];
  });
}
