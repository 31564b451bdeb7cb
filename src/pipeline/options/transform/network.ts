import { type Static, Type } from 'typebox';
import { strictObject, typed } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';
import { KubeConfig, KubernetesInfraRule, KubernetesRule } from './kubernetes.ts';

const SubnetLabelRule = strictObject(
  {
    input: fieldName('Field with an address.'),
    output: fieldName('Field that gets the label.'),
  },
  { description: 'Fields of the rule.' },
);

const ServiceRule = strictObject(
  {
    input: fieldName('Field with a port.'),
    output: fieldName('Field that gets the name of the service.'),
    protocol: fieldName('Field with the number of the IP protocol.'),
  },
  { description: 'Fields of the rule.' },
);

const TcpFlagsRule = strictObject(
  {
    input: fieldName('Field with TCP flags as a number.'),
    output: fieldName('Field that gets the names. It may be the same field.'),
  },
  { description: 'Fields of the rule.' },
);

const SubnetRule = strictObject(
  {
    input: fieldName('Field with an address.'),
    output: fieldName('Field that gets the network, such as 10.1.2.0/24.'),
    subnet_mask: optionalText('Length of the prefix, such as /24.', '/24'),
  },
  { description: 'Fields of the rule.' },
);

const LocationRule = strictObject(
  {
    input: fieldName('Field with an address.'),
    output: fieldName(
      'Beginning of the fields that get the place: `_CountryName` (code of two letters), ' +
        '`_CountryLongName`, `_RegionName`, `_CityName`, `_Latitude`, `_Longitude`.',
    ),
    file_path: optionalText(
      'File in MaxMind’s format (MMDB), such as GeoLite2-City.mmdb, or in IP2Location’s (BIN). It ' +
        'is read again when it changes. Empty: the countries that the program brings along, by ' +
        'the registries of addresses; flowlogs-pipeline downloads a file then. A zip archive of ' +
        'IP2Location, which flowlogs-pipeline reads, must be unpacked.',
    ),
  },
  { description: 'Fields of the rule.' },
);

const AsnRule = strictObject(
  {
    input: fieldName('Field with an address.'),
    output: fieldName(
      'Beginning of the fields that get the autonomous system: `_Number`, `_Organization`.',
    ),
    file_path: Type.String({
      minLength: 1,
      description:
        'File in MaxMind’s format (MMDB), such as GeoLite2-ASN.mmdb. It is read again when it ' +
        'changes.',
    }),
  },
  { description: 'Fields of the rule.' },
);

const Rule = Type.Union([
  typed(
    'add_subnet_label',
    { add_subnet_label: SubnetLabelRule },
    'Labels an address by subnetLabels. The longest prefix wins.',
  ),
  typed('add_service', { add_service: ServiceRule }, 'Names the service of a port.'),
  typed(
    'reinterpret_direction',
    {},
    'Restates the direction from the point of view of the node. Needs directionInfo.',
  ),
  typed('decode_tcp_flags', { decode_tcp_flags: TcpFlagsRule }, 'Names the TCP flags.'),
  typed('add_location', { add_location: LocationRule }, 'Adds the place of an address.'),
  typed('add_asn', { add_asn: AsnRule }, 'Adds the autonomous system of an address.'),
  typed('add_subnet', { add_subnet: SubnetRule }, 'Adds the network of an address.'),
  typed(
    'add_kubernetes',
    { kubernetes: KubernetesRule },
    'Names the pod, node or service that had an address when the flow began.',
  ),
  typed(
    'add_kubernetes_infra',
    { kubernetes_infra: KubernetesInfraRule },
    'Tells flows of applications from those of the infrastructure. Its output is app or infra.',
  ),
]);

const SubnetLabel = strictObject(
  {
    name: Type.String({ description: 'The label. An empty label excludes its networks.' }),
    cidrs: Type.Array(Type.String(), {
      default: [],
      description: 'Networks that get the label, such as 10.0.0.0/8 or fd00::/8.',
    }),
    file: optionalText(
      'File with further networks: all that stand in its text, such as one in a line, or in the ' +
        'JSON that cloud providers publish. It is read again when it changes.',
    ),
  },
  { description: 'A label and its networks.' },
);

/** The labels of `subnetLabels` and of its file. */
export const SubnetLabelList = Type.Array(SubnetLabel, {
  default: [],
  description:
    'Labels of networks, for add_subnet_label. The longest prefix counts; of equal ones the first.',
});

// Writers in Go emit the object, with empty fields, if no rule needs it.
const DirectionInfo = strictObject(
  {
    reporterIPField: optionalText('Field with the address of the node that reports the flow.'),
    srcHostField: optionalText('Field with the address of the node of the source.'),
    dstHostField: optionalText('Field with the address of the node of the destination.'),
    flowDirectionField: optionalText('Field that gets the direction.'),
    ifDirectionField: optionalText('Field that keeps the direction at the interface.'),
  },
  { description: 'Fields of reinterpret_direction. All but ifDirectionField are required.' },
);

export const NetworkOptions = strictObject(
  {
    rules: Type.Array(Rule, { description: 'The rules, in the order in which they run.' }),
    servicesFile: optionalText('File with names of services.', '/etc/services'),
    protocolsFile: optionalText('File with names of IP protocols.', '/etc/protocols'),
    subnetLabels: SubnetLabelList,
    subnetLabelsFile: optionalText(
      'File in YAML or JSON with further labels, a list in the form of `subnetLabels`; for a ' +
        'network in both, the file counts. It is read again when it changes; if it cannot be used ' +
        'then, the log says so, and the old one stays. Empty: none.',
    ),
    hostNetworks: Type.Boolean({
      default: false,
      description:
        'Also label the networks of this host, by its interfaces and routes: `this host`, ' +
        '`network of eth0`, and `via tun0` for networks behind a gateway. Of equal networks, those ' +
        'in the file of labels count first, then these, then `subnetLabels`. Not on hosts with ' +
        'more than 64 such interfaces, or ' +
        'with 1 MiB of routes.',
    }),
    directionInfo: Type.Optional(DirectionInfo),
    kubeConfig: Type.Optional(KubeConfig),
  },
  {
    description:
      'Adds facts about addresses, ports, flags and directions, and names from Kubernetes.',
    examples: [
      {
        rules: [
          {
            type: 'add_subnet_label',
            add_subnet_label: { input: 'DstAddr', output: 'DstSubnetLabel' },
          },
          {
            type: 'add_service',
            add_service: { input: 'DstPort', output: 'DstService', protocol: 'Proto' },
          },
          { type: 'reinterpret_direction' },
          { type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: 'Flags' } },
          {
            type: 'add_kubernetes',
            kubernetes: { ipField: 'SrcAddr', output: 'SrcK8S', add_zone: true },
          },
          {
            type: 'add_kubernetes_infra',
            kubernetes_infra: {
              namespaceNameFields: [{ namespace: 'SrcK8S_Namespace', name: 'SrcK8S_Name' }],
              output: 'K8S_FlowLayer',
              infra_prefixes: ['kube-'],
            },
          },
          {
            type: 'add_subnet',
            add_subnet: { input: 'SrcAddr', output: 'SrcSubnet', subnet_mask: '/16' },
          },
        ],
        subnetLabels: [{ name: 'office', cidrs: ['10.1.0.0/16', 'fd00:1::/32'] }],
        directionInfo: {
          reporterIPField: 'AgentIP',
          srcHostField: 'SrcAddr',
          dstHostField: 'DstAddr',
          flowDirectionField: 'FlowDirection',
        },
      },
    ],
  },
);

export type NetworkOptions = Static<typeof NetworkOptions>;
export type NetworkRule = Static<typeof Rule>;
