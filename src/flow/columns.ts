import type { Feature, FieldColumn, FieldSpec, Renderer } from './field.ts';
import { FIELDS } from './fields.ts';

/**
 * How the cell of a calculated column is shown; `object`: a Kubernetes object, `pair`: two values.
 */
export type CellRenderer = Renderer | 'object' | 'pair';

/**
 * A column made from several fields, or from one field in another way than that field's column.
 *
 * `calculated` is in the language of `network-observability-console-plugin`, as in its users'
 * configurations: `kubeObject(kind,namespace,name,showNamespace)`, `concat(…)`, `substract(a,b)`,
 * `multiply(a,n)`, `a or b`, `[a,b]`, `column.Id`, field names, numbers and quoted text.
 */
export interface CalculatedColumn extends Omit<FieldColumn, 'renderer'> {
  readonly renderer: CellRenderer;
  readonly fields: readonly string[];
  readonly calculated: string;
  readonly feature?: Feature;
  /** Id of the column that precedes it. */
  readonly after: string;
}

export const CALCULATED_COLUMNS: readonly CalculatedColumn[] = [
  {
    id: 'FlowDuration',
    name: 'Duration',
    width: 5,
    renderer: 'duration',
    tooltip: 'Time between the first and the last packet.',
    fields: ['TimeFlowEndMs', 'TimeFlowStartMs'],
    calculated: 'substract(TimeFlowEndMs,TimeFlowStartMs)',
    after: 'EndTime',
  },
  {
    id: 'CollectionTime',
    name: 'Collection Time',
    width: 15,
    renderer: 'datetime',
    tooltip: 'When the flow reached the pipeline.',
    fields: ['TimeReceived'],
    calculated: 'multiply(TimeReceived,1000)',
    after: 'FlowDuration',
  },
  {
    id: 'CollectionLatency',
    name: 'Collection Latency',
    width: 5,
    renderer: 'duration',
    tooltip: 'Time between the last packet and the arrival in the pipeline.',
    fields: ['TimeReceived', 'TimeFlowEndMs'],
    calculated: 'substract(column.CollectionTime,TimeFlowEndMs)',
    after: 'CollectionTime',
  },
  ...endColumns('Src', 'Source'),
  ...endColumns('Dst', 'Destination'),
  ...pairColumns(),
  {
    id: 'FlowDirInts',
    name: 'Interfaces and Directions',
    width: 15,
    renderer: 'list',
    tooltip: 'Each network interface with the direction in which the flow was seen there.',
    fields: ['Interfaces', 'IfDirections'],
    calculated: '[Interfaces,IfDirections]',
    after: 'IfDirections',
  },
  translatedObject('Src', 'XlatSrcPort'),
  translatedObject('Dst', 'XlatDstPort'),
  {
    id: 'XlatK8S_Object',
    name: 'Xlat Kubernetes Objects',
    group: 'Xlat',
    width: 15,
    renderer: 'pair',
    tooltip: 'Both ends after translation.',
    fields: [...objectFields('XlatSrc'), ...objectFields('XlatDst')],
    calculated: '[column.XlatSrcK8S_Object,column.XlatDstK8S_Object]',
    feature: 'packetTranslation',
    after: 'XlatDstK8S_Object',
  },
  {
    ...nameOr('Exporter', 'Exporter', 'Sampler', 'Address'),
    default: true,
    after: 'SamplerRole',
  },
  { ...nameOr('InInterface', 'Input Interface', 'InIf', ''), after: 'InIfSpeedMbps' },
  { ...nameOr('OutInterface', 'Output Interface', 'OutIf', ''), after: 'OutIfSpeedMbps' },
  {
    id: 'InOutInterfaces',
    name: 'In → Out',
    width: 15,
    default: true,
    renderer: 'pair',
    tooltip: 'Interfaces of the exporter: by name or, without one, by SNMP index.',
    fields: ['InIfName', 'InIf', 'OutIfName', 'OutIf'],
    calculated: '[column.InInterface,column.OutInterface]',
    feature: 'netflow',
    after: 'OutInterface',
  },
];

/** An exporter or its interface by name; without one, by address or number. */
function nameOr(
  id: string,
  name: string,
  prefix: string,
  suffix: string,
): Omit<CalculatedColumn, 'after'> {
  const fields = [`${prefix}Name`, `${prefix}${suffix}`];
  return {
    ...{ id, name, width: 10, renderer: 'text', feature: 'netflow', fields },
    tooltip: `Name; without one, ${suffix === '' ? 'SNMP index' : 'address'}.`,
    calculated: fields.join(' or '),
  };
}

function objectFields(prefix: string): readonly string[] {
  return [
    `${prefix}K8S_Type`,
    `${prefix}K8S_Namespace`,
    `${prefix}K8S_Name`,
    `${prefix}Addr`,
    `${prefix}Port`,
  ];
}

function objectOf(prefix: string): string {
  const object = `${prefix}K8S_Type,${prefix}K8S_Namespace,${prefix}K8S_Name`;
  return `kubeObject(${object},1) or concat(${prefix}Addr,':',${prefix}Port)`;
}

function endColumns(prefix: 'Src' | 'Dst', group: string): readonly CalculatedColumn[] {
  const owner = [`${prefix}K8S_OwnerType`, `${prefix}K8S_Namespace`, `${prefix}K8S_OwnerName`];
  return [
    {
      id: `${prefix}K8S_Object`,
      name: 'Kubernetes Object',
      group,
      width: 15,
      renderer: 'object',
      tooltip: 'Kind, namespace and name; without them, address and port.',
      fields: objectFields(prefix),
      calculated: objectOf(prefix),
      feature: 'kubernetes',
      after: `${prefix}K8S_HostName`,
    },
    {
      id: `${prefix}K8S_OwnerObject`,
      name: 'Owner Kubernetes Object',
      group,
      width: 15,
      renderer: 'object',
      tooltip: 'Kind, namespace and name of what controls the object.',
      fields: owner,
      calculated: `kubeObject(${owner.join(',')},1)`,
      feature: 'kubernetes',
      after: `${prefix}K8S_Object`,
    },
    {
      id: `${prefix}AddrPort`,
      name: 'IP & Port',
      group,
      width: 15,
      renderer: 'text',
      tooltip: 'Address and port in one cell.',
      fields: [`${prefix}Addr`, `${prefix}Port`],
      calculated: `concat(${prefix}Addr,':',${prefix}Port)`,
      after: `${prefix}K8S_OwnerObject`,
    },
  ];
}

/** Both ends in one cell. The id is the common part of the fields' names or of the columns' ids. */
function pairColumns(): readonly CalculatedColumn[] {
  const kube = { feature: 'kubernetes', of: 'field' } as const;
  const pairs = [
    { id: 'K8S_Name', name: 'Names', filter: 'name', width: 15, ...kube },
    { id: 'K8S_Type', name: 'Kinds', filter: 'kind', width: 10, ...kube },
    { id: 'K8S_OwnerName', name: 'Owners', filter: 'owner_name', width: 15, ...kube },
    { id: 'K8S_OwnerType', name: 'Owner Kinds', filter: 'kind', width: 10, ...kube },
    { id: 'K8S_Namespace', name: 'Namespaces', filter: 'namespace', width: 15, ...kube },
    { id: 'Addr', name: 'IP', filter: 'address', width: 10, of: 'field' },
    { id: 'Port', name: 'Ports', filter: 'port', width: 10, of: 'field' },
    { id: 'Mac', name: 'MAC', filter: 'mac', width: 10, of: 'field' },
    { id: 'K8S_HostIP', name: 'Node IP', filter: 'host_address', width: 10, ...kube },
    { id: 'K8S_HostName', name: 'Node Name', filter: 'host_name', width: 15, ...kube },
    {
      id: 'K8S_Object',
      name: 'Kubernetes Objects',
      filter: 'resource',
      width: 15,
      feature: 'kubernetes',
      of: 'column',
    },
    {
      id: 'K8S_OwnerObject',
      name: 'Owner Kubernetes Objects',
      filter: 'resource',
      width: 15,
      feature: 'kubernetes',
      of: 'column',
    },
    { id: 'AddrPort', name: 'IPs & Ports', width: 15, of: 'column' },
  ] as const;
  let after = 'DstAS_Organization';
  return pairs.map(({ of, ...pair }): CalculatedColumn => {
    const ids = [`Src${pair.id}`, `Dst${pair.id}`];
    const column: CalculatedColumn = {
      ...pair,
      renderer: 'pair',
      tooltip: 'Source and destination in one cell.',
      fields: of === 'field' ? ids : ['Src', 'Dst'].flatMap((end) => pairFields(end, pair.id)),
      calculated: `[${ids.map((id) => (of === 'field' ? id : `column.${id}`)).join(',')}]`,
      after,
    };
    after = pair.id;
    return column;
  });
}

function pairFields(prefix: string, id: string): readonly string[] {
  const suffixes: Readonly<Record<string, readonly string[]>> = {
    K8S_Object: ['K8S_Type', 'K8S_Namespace', 'K8S_Name', 'Addr', 'Port'],
    K8S_OwnerObject: ['K8S_OwnerType', 'K8S_Namespace', 'K8S_OwnerName'],
    AddrPort: ['Addr', 'Port'],
  };
  return (suffixes[id] ?? []).map((suffix) => prefix + suffix);
}

function translatedObject(side: 'Src' | 'Dst', after: string): CalculatedColumn {
  return {
    id: `Xlat${side}K8S_Object`,
    name: `Xlat ${side} Kubernetes Object`,
    group: 'Xlat',
    width: 15,
    default: true,
    renderer: 'object',
    tooltip: 'After translation: kind, namespace and name; without them, address and port.',
    fields: objectFields(`Xlat${side}`),
    calculated: objectOf(`Xlat${side}`),
    feature: 'packetTranslation',
    after,
  };
}

/** A column of the flow table, plain or calculated. */
export interface TableColumn extends Omit<FieldColumn, 'renderer' | 'filter' | 'fields'> {
  readonly renderer: CellRenderer;
  /** The field that it shows; absent when it is calculated. */
  readonly field?: string;
  readonly fields?: readonly string[];
  readonly calculated?: string;
  readonly filter?: string;
  readonly feature?: Feature;
}

/** All columns, in their order. */
export const COLUMNS: readonly TableColumn[] = withCalculated(FIELDS.flatMap(columnOf));

function columnOf(field: FieldSpec): readonly TableColumn[] {
  if (field.column === undefined) return [];
  const { filter = field.filter?.id, ...column } = field.column;
  return [
    {
      ...column,
      field: field.name,
      ...(filter === undefined ? {} : { filter }),
      ...(field.feature === undefined ? {} : { feature: field.feature }),
    },
  ];
}

function withCalculated(own: readonly TableColumn[]): readonly TableColumn[] {
  const all = [...own];
  for (const { after, ...column } of CALCULATED_COLUMNS) {
    const index = all.findIndex((other) => other.id === after);
    all.splice(index + 1, 0, column);
  }
  return all;
}
