import type { Feature, FieldColumn, FieldSpec } from '../field.ts';

/**
 * The end that Kubernetes facts describe: `SrcK8S_…`, `DstK8S_…`, `XlatSrcK8S_…`, `XlatDstK8S_…`.
 */
export interface KubeSide {
  readonly prefix: string;
  /** Prefix of the key for both ends; default none. */
  readonly pairPrefix?: string;
  /** The word in "name of the source". */
  readonly word: string;
  /** Heading of the columns; absent: the facts have no columns of their own. */
  readonly group?: string;
  readonly otel: string;
  /** Fills all of them, which then are not Loki labels; default: the feature of each fact. */
  readonly feature?: Feature;
}

interface Fact {
  readonly name: string;
  readonly kind?: 'addr';
  readonly what: string;
  readonly feature?: Feature;
  readonly cardinality?: 'careful';
  readonly lokiLabel?: true;
  readonly otel: string;
  readonly enterprise?: readonly [source: number, destination: number, suffix: string];
  readonly column: Omit<FieldColumn, 'id' | 'group' | 'renderer' | 'tooltip'>;
}

const FACTS: readonly Fact[] = [
  {
    name: 'Name',
    what: 'Name of the pod, service or node',
    cardinality: 'careful',
    otel: 'k8s.name',
    enterprise: [7734, 7736, 'PodName'],
    column: { name: 'Name', width: 15, default: true },
  },
  {
    name: 'Type',
    what: 'Kind of object: Pod, Service or Node',
    lokiLabel: true,
    otel: 'k8s.kind',
    column: { name: 'Kind', width: 10 },
  },
  {
    name: 'OwnerName',
    what: 'Name of what controls the object, such as a Deployment',
    lokiLabel: true,
    otel: 'k8s.owner.name',
    column: { name: 'Owner', width: 15 },
  },
  {
    name: 'OwnerType',
    what: 'Kind of what controls the object',
    otel: 'k8s.owner.kind',
    column: { name: 'Owner Kind', width: 10 },
  },
  {
    name: 'Namespace',
    what: 'Namespace of the object',
    lokiLabel: true,
    otel: 'k8s.namespace.name',
    enterprise: [7733, 7735, 'PodNamespace'],
    column: { name: 'Namespace', width: 15, default: true },
  },
  {
    name: 'HostIP',
    kind: 'addr',
    what: 'Address of the node that it runs on',
    otel: 'k8s.host.address',
    column: { name: 'Node IP', width: 10 },
  },
  {
    name: 'HostName',
    what: 'Name of the node that it runs on',
    otel: 'k8s.host.name',
    enterprise: [7737, 7738, 'NodeName'],
    column: { name: 'Node Name', width: 15 },
  },
  {
    name: 'Zone',
    what: 'Availability zone',
    feature: 'zones',
    lokiLabel: true,
    otel: 'zone',
    column: { name: 'Zone', width: 15 },
  },
  {
    name: 'NetworkName',
    what: 'Name of the network: `primary`, a secondary or a user-defined one',
    feature: 'multiNetworks',
    otel: 'network.name',
    column: { name: 'Network Name', width: 15, default: true },
  },
];

/** Facts of Kubernetes about one end of a flow. */
export function kubeFields(side: KubeSide): readonly FieldSpec[] {
  return FACTS.map((fact) => kubeField(side, fact));
}

function kubeField(side: KubeSide, fact: Fact): FieldSpec {
  const what = `${fact.what}, for the ${side.word}.`;
  return {
    name: `${side.prefix}K8S_${fact.name}`,
    kind: fact.kind ?? 'str',
    meaning: what,
    producer: 'pipeline',
    feature: side.feature ?? fact.feature ?? 'kubernetes',
    pair: `${side.pairPrefix ?? ''}K8S_${fact.name}`,
    ...(fact.lokiLabel === true && side.feature === undefined ? { lokiLabel: true } : {}),
    cardinality: fact.cardinality ?? 'fine',
    otel: `${side.otel}.${fact.otel}`,
    ...enterpriseElement(side, fact),
    ...column(side, fact, what),
  };
}

function enterpriseElement(side: KubeSide, fact: Fact): Pick<FieldSpec, 'ipfixEnterprise'> {
  if (fact.enterprise === undefined || side.group === undefined) return {};
  const [source, destination, suffix] = fact.enterprise;
  const id = side.prefix === 'Src' ? source : destination;
  return { ipfixEnterprise: { name: `${side.word}${suffix}`, id } };
}

function column(side: KubeSide, fact: Fact, tooltip: string): Pick<FieldSpec, 'column'> {
  if (side.group === undefined) return {};
  return {
    column: {
      ...fact.column,
      id: COLUMN_IDS[fact.name]?.(side.prefix) ?? `${side.prefix}K8S_${fact.name}`,
      group: side.group,
      renderer: fact.kind === 'addr' ? 'address' : 'text',
      tooltip,
      // The same filter covers kinds of objects and kinds of owners.
      ...(fact.name === 'OwnerType' ? { filter: `${side.prefix.toLowerCase()}_kind` } : {}),
    },
  };
}

/** Columns whose ids in the NetObserv console do not come from the field. */
const COLUMN_IDS: Readonly<Record<string, (prefix: string) => string>> = {
  Zone: (prefix) => `${prefix}Zone`,
  NetworkName: (prefix) => `${prefix}NetworkName`,
};
