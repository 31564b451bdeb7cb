import type { MouseEvent, ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FlowRow, FrontendConfig } from '../../api.ts';
import { formatExact } from '../format/numbers.ts';
import { formatUtc } from '../format/time.ts';
import { useTimes } from '../state/times.ts';
import { columnTitle } from './columns.ts';
import { isAbsent } from './compare.ts';
import { formatCell, isQuantity, toEpochMs } from './format-value.ts';

/** Adds a condition that includes or excludes a value. */
export type CellFilter = (column: ColumnConfig, value: unknown, exclude: boolean) => void;

interface FlowCellProps {
  readonly config: FrontendConfig;
  readonly column: ColumnConfig;
  readonly row: FlowRow;
  readonly value: unknown;
  readonly nowMs: number;
  readonly onFilter: CellFilter;
}

export function FlowCell(props: FlowCellProps): ReactNode {
  const { t } = useTranslation();
  const { config, column, row, value, nowMs, onFilter } = props;
  const absent = isAbsent(value);
  const times = useTimes();
  const text = formatCell(value, column, { config, row, nowMs, times });
  const classes = [
    isQuantity(column.renderer) ? 'number' : '',
    absent ? 'absent' : '',
    column.renderer === 'address' ? 'address' : '',
  ].join(' ');
  // A pair or a computed value is not a value of one field: there is nothing to compare it with.
  const canFilter = !absent && column.filter !== undefined && column.field !== undefined;
  const hint = exactText(value, column);

  if (!canFilter || isQuantity(column.renderer) || column.renderer === 'datetime') {
    return (
      <td className={classes} title={hint ?? text}>
        {text}
      </td>
    );
  }
  return (
    <td className={classes}>
      <button
        type="button"
        className="cell-button ellipsis"
        // The row is the tab stop; its details offer the same filters to the keyboard.
        tabIndex={-1}
        title={`${text}\n${t('flows.filter', { name: columnTitle(column, config.columns), value: text })}`}
        onClick={(event: MouseEvent) => {
          event.stopPropagation();
          onFilter(column, value, event.altKey);
        }}
      >
        {text}
      </button>
    </td>
  );
}

/** The full value of a rounded or localised cell. */
function exactText(value: unknown, column: ColumnConfig): string | undefined {
  if (typeof value !== 'number') return undefined;
  if (column.renderer === 'datetime') return formatUtc(toEpochMs(value));
  return isQuantity(column.renderer) ? formatExact(value) : undefined;
}
