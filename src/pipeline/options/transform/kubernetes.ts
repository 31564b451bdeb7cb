import { type Static, Type } from 'typebox';
import { strictObject, word } from '../../../config/schema.ts';
import { fieldName, optionalText } from '../field.ts';

function prefix(what: string) {
  return optionalText(
    `Adds ${what}, as fields PREFIX_KEY (PREFIX.KEY for otel). Empty: none are added.`,
  );
}

function inclusions(what: string) {
  return Type.Array(Type.String(), {
    default: [],
    description:
      `Keys of the ${what} that are added. Empty: all keys; later stages then cannot use their ` +
      'fields by name, but text sinks write them.',
  });
}

function exclusions(what: string) {
  return Type.Array(Type.String(), {
    default: [],
    description: `Keys of ${what} that are left out, even if they are included.`,
  });
}

function maxLength(what: string) {
  return Type.Optional(
    Type.Integer({
      description:
        `Longest value of ${what}, in characters; a longer one is cut, and ends with "...". ` +
        'With 0, values are empty. Default: any length.',
    }),
  );
}

export const KubernetesRule = strictObject(
  {
    ipField: fieldName('Field with an address.'),
    output: Type.String({
      description:
        'Prefix of the fields that are added, such as SrcK8S for SrcK8S_Name: Namespace, Name, ' +
        'Type, OwnerName, OwnerType, NetworkName, HostIP, HostName, Zone.',
    }),
    portField: optionalText(
      'Field with the port at this end, such as SrcPort. An address of a node and a port that a ' +
        'Service has on all nodes (nodePort) then name the Service; HostIP, HostName and Zone are ' +
        'those of the node. Empty: such an address names the node.',
    ),
    protocolField: Type.String({
      default: 'Proto',
      description: 'Field with the IP protocol, for portField: a nodePort is of one protocol.',
    }),
    interfacesField: optionalText('Field with names of interfaces, for secondaryNetworks.'),
    udnsField: optionalText('Field with user-defined networks, for secondaryNetworks.'),
    macField: optionalText('Field with a MAC address, for secondaryNetworks.'),
    assignee: word(['', 'otel'], {
      default: '',
      description:
        'otel: the fields have the names of OpenTelemetry, such as k8s.pod.name, right after the ' +
        'prefix.',
    }),
    add_zone: Type.Boolean({
      default: false,
      description:
        'Adds the zone of the node. It is the label topology.kubernetes.io/zone; services have none.',
    }),
    labels_prefix: prefix('labels'),
    label_inclusions: inclusions('labels'),
    label_exclusions: exclusions('labels'),
    label_value_max_length: maxLength('labels'),
    annotations_prefix: prefix('annotations'),
    annotation_inclusions: inclusions('annotations'),
    annotation_exclusions: exclusions('annotations'),
    annotation_value_max_length: maxLength('annotations'),
  },
  {
    description:
      'Fields of the rule. An address names a pod in a secondary network, else a pod, a node, a ' +
      'service, or the service that has it as an endpoint outside of the cluster. The start of the flow (TimeFlowStartMs) decides which: a removed pod is found ' +
      'for 15 minutes, and the next owner of its address does not inherit flows.',
  },
);

const NamedFields = strictObject(
  {
    name: fieldName('Field with the name of the object.'),
    namespace: fieldName('Field with the namespace of the object.'),
  },
  { description: 'Fields of one end of a flow.' },
);

const InfraRef = strictObject(
  {
    name: Type.String({ description: 'Name of the object.' }),
    namespace: Type.String({ description: 'Namespace of the object.' }),
  },
  { description: 'An object of the infrastructure.' },
);

export const KubernetesInfraRule = strictObject(
  {
    namespaceNameFields: Type.Array(NamedFields, {
      description:
        'The ends of a flow. If one of them has a namespace that is not infrastructure, the ' +
        'output is app, otherwise infra.',
    }),
    output: fieldName('Field that gets app or infra.'),
    infra_prefixes: Type.Array(Type.String(), {
      default: [],
      description: 'Namespaces that begin with one of these are infrastructure.',
    }),
    infra_refs: Type.Array(InfraRef, {
      default: [],
      description: 'Objects that are infrastructure in any namespace.',
    }),
  },
  { description: 'Fields of the rule.' },
);

const part = (description: string) => Type.Optional(Type.Unknown({ description }));

const SecondaryNetwork = strictObject(
  {
    name: optionalText('A name for readers of the file. It has no effect.'),
    index: strictObject(
      {
        mac: part('The MAC address (macField).'),
        ip: part('The address (ipField).'),
        interface: part('The name of the interface (interfacesField).'),
        udn: part(
          'The user-defined network of OVN (udnsField) and the address. It stands alone, and reads ' +
            'the annotation k8s.ovn.org/pod-networks.',
        ),
      },
      {
        description:
          'Parts of flows that identify a pod there, with the annotation ' +
          'k8s.v1.cni.cncf.io/network-status. All given parts must agree; their values have no ' +
          'effect.',
      },
    ),
  },
  { description: 'A network besides the primary one.' },
);

// Writers in Go emit the object, with empty fields, if no rule needs it.
export const KubeConfig = strictObject(
  {
    configPath: optionalText(
      'Path of a kubeconfig file. Empty: the files in KUBECONFIG, ~/.kube/config, or the service ' +
        'account of the pod. All stages must have the same.',
    ),
    secondaryNetworks: Type.Array(SecondaryNetwork, {
      default: [],
      description: 'Networks in which pods have further addresses.',
    }),
    managedCNI: Type.Array(Type.String(), {
      default: ['ovn'],
      description:
        'Network plug-ins whose addresses are known: ovn adds the management ports of nodes.',
    }),
    trackedKinds: Type.Array(Type.String(), {
      default: [],
      description:
        'Kinds of owners that flows are named after: the first one on the way up from a pod, and ' +
        'its own owner if that is in the list, too, within three steps. Empty: the owner of the ' +
        'ReplicaSet or Job, or what else owns the pod.',
    }),
  },
  {
    description:
      'How add_kubernetes reads the cluster. It needs a role with list and watch of pods, nodes ' +
      'and services; names lack what a role does not add of replicasets, jobs, endpointslices ' +
      'and the kinds of trackedKinds.',
  },
);

export type KubeConfig = Static<typeof KubeConfig>;
export type KubernetesRule = Static<typeof KubernetesRule>;
export type KubernetesInfraRule = Static<typeof KubernetesInfraRule>;
