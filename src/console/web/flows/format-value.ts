import { NAMES } from '../../../flow/enums.ts';
import { fieldByName } from '../../../flow/fields.ts';
import type { ColumnConfig, FlowRow, FrontendConfig } from '../../api.ts';
import {
  directionName,
  dropCauseName,
  dscpName,
  etherTypeName,
  icmpTypeName,
  portName,
  protocolName,
  tcpFlagNames,
} from '../format/names.ts';
import { formatBytes, formatExact } from '../format/numbers.ts';
import { formatDuration, formatUtc } from '../format/time.ts';
import type { Times } from '../format/times.ts';
import { visible } from '../format/visible.ts';
import { isAbsent } from './compare.ts';

export interface ValueContext {
  readonly config: Pick<FrontendConfig, 'portNaming'>;
  readonly row: FlowRow;
  /** Times of the same day are shown without the date. */
  readonly nowMs?: number;
  /** Without this, times are UTC. */
  readonly times?: Times;
}

const ABSENT = '–';

/** Times below this are in seconds: in milliseconds they would be in 1973 or earlier. */
const SECONDS_MAX = 1e11;

export function toEpochMs(time: number): number {
  return time < SECONDS_MAX ? time * 1000 : time;
}

/** The value of a column's cell in readable form. */
export function formatCell(
  value: unknown,
  column: Pick<ColumnConfig, 'field' | 'renderer'>,
  context: ValueContext,
): string {
  const field = fieldByName(column.field ?? '');
  if (column.renderer === 'named' && typeof value === 'number') {
    return (field?.names && NAMES[field.names].nameOf(value)) ?? String(value);
  }
  // Durations are formatted from milliseconds.
  const inNanoseconds = column.renderer === 'duration' && field?.unit === 'nanoseconds';
  const shown = inNanoseconds && typeof value === 'number' ? value / 1e6 : value;
  return formatText(shown, column.renderer, context);
}

/** A value in readable form: by name if it has one, with its unit if it has one. */
export function formatText(
  value: unknown,
  renderer: ColumnConfig['renderer'],
  context: ValueContext,
): string {
  if (isAbsent(value)) return ABSENT;
  if (Array.isArray(value)) {
    const separator = renderer === 'pair' ? ' → ' : ', ';
    return value
      .map((one: unknown) => formatText(one, elementRenderer(renderer), context))
      .join(separator);
  }
  if (typeof value === 'object') return visible(JSON.stringify(value));
  if (typeof value === 'number') return formatNumber(value, renderer, context);
  return visible(renderer === 'cause' ? dropCauseName(String(value)) : String(value));
}

function elementRenderer(renderer: ColumnConfig['renderer']): ColumnConfig['renderer'] {
  return renderer === 'pair' || renderer === 'list' ? 'text' : renderer;
}

function formatNumber(
  value: number,
  renderer: ColumnConfig['renderer'],
  context: ValueContext,
): string {
  switch (renderer) {
    case 'bytes':
      return formatBytes(value);
    case 'number':
    case 'packets':
      return formatExact(value);
    case 'datetime':
      return (
        context.times?.time(toEpochMs(value), context.nowMs ?? 0) ?? formatUtc(toEpochMs(value))
      );
    case 'duration':
      return formatDuration(value);
    case 'port':
      return formatPort(value, context);
    case 'protocol':
      return protocolName(value);
    case 'dscp':
      return dscpName(value);
    case 'direction':
      return directionName(value);
    case 'etype':
      return etherTypeName(value);
    case 'icmp':
      return icmpTypeName(value, context.row.Proto);
    case 'flags':
      return tcpFlagNames(value).join(', ');
    default:
      return String(value);
  }
}

function formatPort(port: number, context: ValueContext): string {
  const { enable, portNames } = context.config.portNaming;
  const name = enable ? portName(port, portNames) : undefined;
  return name === undefined ? String(port) : `${port} ${name}`;
}

/** Whether the column holds quantities, which are aligned at their last digit. */
export function isQuantity(renderer: ColumnConfig['renderer']): boolean {
  return (
    renderer === 'number' ||
    renderer === 'bytes' ||
    renderer === 'packets' ||
    renderer === 'duration'
  );
}
