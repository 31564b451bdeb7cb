/** Kinds of objects that have addresses; a slice has those outside of the cluster of a service. */
export type KubeKind = 'Pod' | 'Node' | 'Service' | 'EndpointSlice';

/** The object that controls another one. */
export interface OwnerRef {
  readonly uid: string;
  readonly kind: string;
  readonly name: string;
}

export const PRIMARY_NETWORK = 'primary';

/** Another way to find an object than by its address in the primary network. */
export interface NetworkKey {
  /** Identifies a pod in another network, see `networks.ts`; a service, see `node-ports.ts`. */
  readonly key: string;
  readonly network: string;
}

/** The parts of a pod, node or service that names of flows are made of. */
export interface KubeObject {
  readonly kind: KubeKind;
  readonly uid: string;
  /** Empty for nodes. */
  readonly namespace: string;
  readonly name: string;
  /** Since when it has its addresses, epoch milliseconds. */
  readonly fromMs: number;
  /** `fromMs` is right up to the second; otherwise it got its addresses some time after it. */
  readonly isExact: boolean;
  /** When it gave them back; Infinity while it has them; undefined: before we looked. */
  readonly toMs: number | undefined;
  /** In the primary network, in the form of `formatAddress`. */
  readonly addresses: readonly string[];
  readonly networks: readonly NetworkKey[];
  /** The node that it is or runs on; empty for services. */
  readonly hostIp: string;
  readonly hostName: string;
  /** Set for nodes. */
  readonly zone: string;
  readonly owner: OwnerRef | undefined;
  readonly labels: Readonly<Record<string, string>> | undefined;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** The kind that flows are told: a slice stands for its service. */
export function typeOf({ kind }: KubeObject): KubeKind {
  return kind === 'EndpointSlice' ? 'Service' : kind;
}

/** An object as an owner: only its own owner matters. */
export interface KubeOwner extends OwnerRef {
  readonly owner: OwnerRef | undefined;
}

/** Whether flows named after `a` would have other names after `b`. */
export function looksEqual(a: KubeObject, b: KubeObject): boolean {
  return (
    a.name === b.name &&
    a.hostIp === b.hostIp &&
    a.hostName === b.hostName &&
    a.zone === b.zone &&
    a.owner?.uid === b.owner?.uid &&
    sameTexts(a.labels, b.labels) &&
    sameTexts(a.annotations, b.annotations)
  );
}

function sameTexts(a: KubeObject['labels'], b: KubeObject['labels']): boolean {
  if (a === undefined || b === undefined) return a === b;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
