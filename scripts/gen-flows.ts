import { COLUMNS } from '../src/flow/columns.ts';
import {
  DNS_RESPONSE_CODES,
  ICMPV6_TYPES,
  NAMES,
  type Names,
  SERVICE_CLASSES,
  TCP_STATES,
} from '../src/flow/enums.ts';
import type { FieldSpec } from '../src/flow/field.ts';
import { FIELD_FAMILIES } from '../src/flow/fields.ts';
import { FILTERS } from '../src/flow/filters.ts';
import { SCOPES } from '../src/flow/scopes.ts';
import type { IpfixElement } from '../src/flow/wire.ts';
import type { GeneratedFile } from './generated.ts';
import { code, table } from './markdown.ts';

const INTRODUCTION = `<!-- Generated from src/flow by scripts/gen-flows.ts; do not edit. -->

# Flow format

What a flow is made of, wherever it is seen: as JSON (files, Kafka, standard output, Loki lines), as
labels of metrics, as columns of tables, as keys of filters.

- **Type** is the JSON type. A field that a flow does not have is left out; it is not 0 and not "".
  Fields marked ∅ are left out when they are 0, too.
- **Feature** is what has to be switched on for the field to be there.
- **Filter** is the id by which the console and its links know the filter.
- **Label** says whether the field is a label of Loki streams; it is in the line otherwise.
- **Metrics** says whether the field is fit to be a label of metrics: *fine* has few values, with
  *careful* it depends on the network, and of *avoid* there may be as many as there are flows.
- **Protobuf** is the place in \`pbflow.Record\`, **IPFIX** the information element: of IANA, with a
  second number for IPv6; those in brackets are under the exporter's enterprise number.`;

/** deploy/reference/flows-format.gen.md: the field table for people. */
export function generateFlowsReference(): GeneratedFile {
  const families = FIELD_FAMILIES.map(
    ({ title, fields }) => `## ${title}\n\n${table(HEADINGS, fields.map(fieldRow))}`,
  );
  const sections = [INTRODUCTION, ...families, valuesSection(), scopesSection(), columnsSection()];
  return { path: 'deploy/reference/flows-format.gen.md', text: `${sections.join('\n\n')}\n` };
}

const HEADINGS = [
  'Name',
  'Type',
  'Unit',
  'Meaning',
  'Feature',
  'Filter',
  'Label',
  'Metrics',
  'OpenTelemetry',
  'Protobuf',
  'IPFIX',
] as const;

function fieldRow(field: FieldSpec): readonly string[] {
  return [
    code(field.name),
    jsonType(field) + (field.omitZero === true ? ' ∅' : ''),
    field.unit === undefined || field.unit === 'boolean' ? '' : field.unit,
    field.meaning,
    field.feature ?? '',
    [field.endpointFilter, field.filter]
      .flatMap((filter) => filter?.id ?? [])
      .map(code)
      .join(' '),
    field.lokiLabel === true ? 'yes' : '',
    field.cardinality,
    code(field.otel),
    field.proto === undefined ? '' : `${code(field.proto.path)} ${field.proto.numbers.join('.')}`,
    elements(field),
  ];
}

function jsonType({ kind, unit }: FieldSpec): string {
  if (unit === 'boolean') return 'boolean';
  switch (kind) {
    case 'str':
      return 'string';
    case 'addr':
      return 'string (IP)';
    case 'mac':
      return 'string (MAC)';
    case 'list<u32>':
      return 'number[]';
    case 'list<str>':
      return 'string[]';
    case 'any':
      return 'object[]';
    default:
      return 'number';
  }
}

function elements({ ipfix, ipfixEnterprise }: FieldSpec): string {
  const parts: string[] = [];
  if (ipfix !== undefined) {
    parts.push(`${ipfix.name} ${[ipfix, ipfix.v6].flatMap(elementId).join(', ')}`);
  }
  if (ipfixEnterprise !== undefined) parts.push(`[${ipfixEnterprise.name} ${ipfixEnterprise.id}]`);
  return parts.join(' ');
}

function elementId(element: IpfixElement | undefined): readonly number[] {
  return element === undefined ? [] : [element.id];
}

function valuesSection(): string {
  const list = (title: string, names: Names): string =>
    `- **${title}**: ${names.entries.map(([value, name]) => `${value} ${name}`).join(', ')}`;
  const classes = SERVICE_CLASSES.map(({ name, codePoints }) => `${name} ${codePoints.join(' ')}`);
  return [
    '## Values\n',
    list('Etype', NAMES.etherType),
    list('Proto', NAMES.protocol),
    list('FlowDirection, IfDirections', NAMES.direction),
    list('Flags', NAMES.tcpFlags),
    list('Dscp', NAMES.dscp),
    `- **Classes of service**: ${classes.join(', ')}`,
    list('IcmpType, ICMP', NAMES.icmpType),
    list('IcmpType, ICMPv6', ICMPV6_TYPES),
    list('DnsFlagsResponseCode', DNS_RESPONSE_CODES),
    list('PktDropLatestState', TCP_STATES),
  ].join('\n');
}

function scopesSection(): string {
  const rows = SCOPES.map((scope) => [
    code(scope.id),
    scope.description,
    scope.feature ?? '',
    scope.labels.map(code).join(' '),
  ]);
  return `## Scopes\n\nLevels at which the console adds flows up.\n\n${table(
    ['Id', 'Meaning', 'Feature', 'Fields'],
    rows,
  )}`;
}

function columnsSection(): string {
  const rows = COLUMNS.map((column) => [
    code(column.id),
    column.group === undefined ? column.name : `${column.group}: ${column.name}`,
    code(column.calculated ?? column.field),
    column.feature ?? '',
    column.default === true ? 'yes' : column.bareDefault === true ? 'without Kubernetes' : '',
  ]);
  const filters = FILTERS.map(({ id, key, name, component, hint, feature }) => [
    code(id),
    name,
    code(key),
    component,
    hint ?? '',
    feature ?? '',
  ]);
  return [
    '## Columns',
    table(['Id', 'Name', 'Shows', 'Feature', 'Default'], rows),
    '## Filters',
    table(['Id', 'Name', 'Key', 'Input', 'Meaning', 'Feature'], filters),
  ].join('\n\n');
}
