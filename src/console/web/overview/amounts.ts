import { unitsPerSecond } from '../../../flow/field.ts';
import { type MeasureId, measureById, unitOfMeasure } from '../../../flow/measures.ts';
import {
  formatByteRate,
  formatBytes,
  formatCount,
  formatFlowRate,
  formatPacketRate,
  type RateUnit,
} from '../format/numbers.ts';
import { formatDuration } from '../format/time.ts';

/** Formats a sum of a measure or, for a duration, an average in milliseconds. */
export function amountFormat(type: MeasureId): (amount: number) => string {
  if (isDuration(type)) return formatDuration;
  return unitOf(type) === 'bytes' ? formatBytes : formatCount;
}

/** Formats an amount per second; a chart scales it by `scale` for its axis. */
export function rateFormat(type: MeasureId, rateUnit: RateUnit) {
  switch (unitOf(type)) {
    case 'bytes':
      return {
        format: (rate: number) => formatByteRate(rate, rateUnit),
        scale: rateUnit === 'bits' ? 8 : 1,
      };
    case 'packets':
      return { format: formatPacketRate, scale: 1 };
    default:
      return { format: formatFlowRate, scale: 1 };
  }
}

/** Amounts are summed; durations rank groups by the longest average. */
export function rankingFunction(type: MeasureId): 'sum' | 'avg' {
  return isDuration(type) ? 'avg' : 'sum';
}

function isDuration(type: MeasureId): boolean {
  return unitsPerSecond(unitOf(type)) !== undefined;
}

function unitOf(type: MeasureId) {
  const measure = measureById(type);
  return measure && unitOfMeasure(measure);
}
