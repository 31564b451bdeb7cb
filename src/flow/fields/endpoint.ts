import type { FieldFilter, FieldSpec, FilterCategory } from '../field.ts';
import { type KubeSide, kubeFields } from './kube.ts';
import { locationFields } from './location.ts';

/** One end of a flow. Both have the same fields, so each is described once for both. */
export interface Side extends KubeSide {
  readonly prefix: 'Src' | 'Dst';
  readonly group: string;
  readonly filter: 'src' | 'dst';
  readonly category: FilterCategory;
}

export const SOURCE: Side = {
  prefix: 'Src',
  word: 'source',
  group: 'Source',
  filter: 'src',
  category: 'source',
  otel: 'source',
};

export const DESTINATION: Side = {
  prefix: 'Dst',
  word: 'destination',
  group: 'Destination',
  filter: 'dst',
  category: 'destination',
  otel: 'destination',
};

const ADDRESS_EXAMPLES =
  'An address (192.0.2.1, 2001:db8::1), a network (192.0.2.0/24, 2001:db8::/32) or a range (192.0.2.1-192.0.2.9).';

/**
 * A filter for this end and, from the source's row, one for either end: `src_port`, `dst_port` and
 * `port`.
 */
export function endFilters(
  side: Side,
  id: string,
  filter: Omit<FieldFilter, 'id' | 'category'>,
): Pick<FieldSpec, 'filter' | 'endpointFilter'> {
  const own = { ...filter, id: `${side.filter}_${id}`, category: side.category };
  if (side.prefix === 'Dst') return { filter: own };
  return { filter: own, endpointFilter: { ...filter, id, category: 'endpoint' } };
}

/** All fields of one end, in the order of columns of the NetObserv console. */
export function endpointFields(side: Side): readonly FieldSpec[] {
  const kube = kubeFields(side);
  const before = ['Name', 'Type', 'OwnerName', 'OwnerType', 'Namespace'];
  const isBefore = ({ pair }: FieldSpec): boolean => before.some((name) => pair === `K8S_${name}`);
  return [
    ...kube.filter(isBefore),
    address(side),
    port(side),
    service(side),
    mac(side),
    ...kube.filter((field) => !isBefore(field)),
    subnetLabel(side),
    ...locationFields(side),
  ].map((field) => ({ ...field, ...pairFilters(side, field.pair) }));
}

function address({ prefix, word, group, otel, ...side }: Side): FieldSpec {
  const isSource = prefix === 'Src';
  return {
    name: `${prefix}Addr`,
    pair: 'Addr',
    kind: 'addr',
    meaning: `Address of the ${word}, IPv4 or IPv6.`,
    producer: 'agent',
    proto: {
      path: `network.${side.filter}_addr`,
      numbers: [6, isSource ? 1 : 2],
      isRequired: true,
      isOfPacket: true,
    },
    ipfix: {
      name: `${word}IPv4Address`,
      id: isSource ? 8 : 12,
      v6: { name: `${word}IPv6Address`, id: isSource ? 27 : 28 },
      place: isSource ? 5 : 6,
    },
    cardinality: 'avoid',
    otel: `${otel}.address`,
    column: {
      id: `${prefix}Addr`,
      name: 'IP',
      group,
      width: 10,
      bareDefault: true,
      renderer: 'address',
      tooltip: `Address of the ${word}, IPv4 or IPv6.`,
    },
  };
}

function port({ prefix, word, group, otel, ...side }: Side): FieldSpec {
  const isSource = prefix === 'Src';
  return {
    name: `${prefix}Port`,
    kind: 'u16',
    meaning: `Port of the ${word}, for TCP, UDP, UDP-Lite, SCTP and DCCP.`,
    producer: 'agent',
    pair: 'Port',
    semantics: 'port',
    proto: {
      path: `transport.${side.filter}_port`,
      numbers: [7, isSource ? 1 : 2],
      presence: 'ports',
      isRequired: true,
    },
    ipfix: {
      name: `${word}TransportPort`,
      id: isSource ? 7 : 11,
      place: isSource ? 8 : 9,
    },
    cardinality: 'careful',
    otel: `${otel}.port`,
    column: {
      id: `${prefix}Port`,
      name: 'Port',
      group,
      width: 10,
      default: true,
      renderer: 'port',
      tooltip: `Port of the ${word}.`,
    },
  };
}

function service({ prefix, word, group, otel }: Side): FieldSpec {
  return {
    name: `${prefix}Service`,
    pair: 'Service',
    kind: 'str',
    meaning: `Name of the service that usually has the port of the ${word}, as \`add_service\` gives it.`,
    producer: 'pipeline',
    cardinality: 'careful',
    otel: `${otel}.service`,
    column: {
      id: `${prefix}Service`,
      name: 'Service',
      group,
      width: 10,
      renderer: 'text',
      tooltip: `Name of the service that usually has the port of the ${word}.`,
    },
  };
}

function mac({ prefix, word, group, otel, ...side }: Side): FieldSpec {
  const isSource = prefix === 'Src';
  return {
    name: `${prefix}Mac`,
    pair: 'Mac',
    kind: 'mac',
    meaning: `MAC address of the ${word} in the first packet; absent without a link layer.`,
    producer: 'agent',
    proto: { path: `data_link.${side.filter}_mac`, numbers: [5, isSource ? 1 : 2] },
    ipfix: { name: `${word}MacAddress`, id: isSource ? 56 : 80, place: isSource ? 3 : 4 },
    cardinality: 'avoid',
    otel: `${otel}.mac`,
    column: {
      id: `${prefix}Mac`,
      name: 'MAC',
      group,
      width: 10,
      renderer: 'text',
      tooltip: `MAC address of the ${word}.`,
    },
  };
}

function subnetLabel({ prefix, word, group, otel }: Side): FieldSpec {
  return {
    name: `${prefix}SubnetLabel`,
    pair: 'SubnetLabel',
    kind: 'str',
    meaning: `Configured label of the network that the ${word} is in.`,
    producer: 'pipeline',
    feature: 'subnetLabels',
    cardinality: 'fine',
    otel: `${otel}.subnet.label`,
    column: {
      id: `${prefix}SubnetLabel`,
      name: 'Subnet Label',
      group,
      width: 10,
      renderer: 'text',
      tooltip: `Label of the network that the ${word} is in.`,
    },
  };
}

type Filters = Pick<FieldSpec, 'filter' | 'endpointFilter'>;

function pairFilters(side: Side, pair: string | undefined): Filters {
  const filters = pair === undefined ? undefined : FILTERS[pair];
  return filters === undefined ? {} : endFilters(side, filters.id, filters);
}

const NAME_EXAMPLES =
  'Part of a name (registry), a whole name in quotes ("image-registry"), a pattern ("image-*") or "" for none.';

/** Filters of both ends, by their common key. */
const FILTERS: Readonly<Record<string, Omit<FieldFilter, 'category'>>> = {
  K8S_Namespace: {
    id: 'namespace',
    name: 'Namespace',
    component: 'autocomplete',
    quoted: true,
    hint: 'Name of a Kubernetes namespace.',
    placeholder: 'netobserv, kube-system',
    examples: NAME_EXAMPLES,
  },
  K8S_Name: {
    id: 'name',
    name: 'Name',
    component: 'text',
    hint: 'Name of a pod, service or node.',
    placeholder: 'my-pod, my-service',
    examples: NAME_EXAMPLES,
  },
  K8S_Type: {
    id: 'kind',
    name: 'Kind',
    component: 'autocomplete',
    quoted: true,
    hint: 'Kind of a Kubernetes object or of its owner.',
    placeholder: 'Pod, Service, Deployment',
  },
  K8S_OwnerName: {
    id: 'owner_name',
    name: 'Owner Name',
    component: 'text',
    hint: 'Name of an owner, such as a deployment.',
    placeholder: 'my-deployment',
    examples: NAME_EXAMPLES,
  },
  K8S_Zone: {
    id: 'zone',
    name: 'Zone',
    component: 'autocomplete',
    hint: 'Name of an availability zone.',
    placeholder: 'zone-1',
  },
  SubnetLabel: {
    id: 'subnet_label',
    name: 'Subnet Label',
    component: 'autocomplete',
    hint: 'Label of a network, or "" for addresses in none.',
    placeholder: 'Pods, Services',
  },
  Location_CountryLongName: {
    id: 'country',
    name: 'Country',
    component: 'autocomplete',
    hint: 'Name of a country, or "" for addresses in none.',
    placeholder: 'Germany, United States',
  },
  Location_RegionName: {
    id: 'region',
    name: 'Region',
    component: 'autocomplete',
    hint: 'State or region.',
    placeholder: 'Bavaria',
  },
  Location_CityName: {
    id: 'city',
    name: 'City',
    component: 'autocomplete',
    hint: 'Name of a city.',
    placeholder: 'Paris',
  },
  AS_Number: {
    id: 'as_number',
    name: 'AS Number',
    component: 'number',
    hint: 'Number of an autonomous system.',
    placeholder: '64500',
  },
  AS_Organization: {
    id: 'as_organization',
    name: 'Organization',
    component: 'autocomplete',
    hint: 'Organization of an autonomous system.',
    placeholder: 'Example Net',
  },
  Addr: {
    id: 'address',
    name: 'IP',
    component: 'text',
    hint: 'An address, a network or a range.',
    placeholder: '192.0.2.0/24',
    examples: ADDRESS_EXAMPLES,
  },
  Port: {
    id: 'port',
    name: 'Port',
    component: 'autocomplete',
    hint: 'Number or name of a port.',
    placeholder: '443, https',
    examples: 'A port number (80, 443) or the name of its service (http, https).',
  },
  Mac: {
    id: 'mac',
    name: 'MAC',
    component: 'text',
    hint: 'A MAC address.',
    placeholder: '42:01:0a:00:00:01',
  },
  K8S_HostIP: {
    id: 'host_address',
    name: 'Node IP',
    component: 'text',
    hint: 'Address of a node, a network or a range.',
    placeholder: '10.0.0.1',
    examples: ADDRESS_EXAMPLES,
  },
  K8S_HostName: {
    id: 'host_name',
    name: 'Node Name',
    component: 'text',
    hint: 'Name of a node.',
    placeholder: 'my-node',
    examples: NAME_EXAMPLES,
  },
  K8S_NetworkName: {
    id: 'network',
    name: 'Network Name',
    component: 'text',
    hint: 'Name of a network.',
  },
};
