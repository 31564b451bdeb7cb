import {
  type ColumnDef,
  createSortedRowModel,
  rowSortingFeature,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useCallback, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FrontendConfig } from '../../api.ts';
import type { RecordRow } from '../data/rows.ts';
import type { Preferences } from '../state/preferences.ts';
import { useTimes } from '../state/times.ts';
import type { Sort } from '../state/view-state.ts';
import { type ColumnReader, createColumnReader } from './column-value.ts';
import { compareValues, isAbsent } from './compare.ts';
import { type CellFilter, FlowCell } from './flow-cell.tsx';
import { TableHead, widthPx } from './flow-table-head.tsx';

interface FlowTableProps {
  readonly config: FrontendConfig;
  readonly columns: readonly ColumnConfig[];
  readonly rows: readonly RecordRow[];
  /** Keys of rows that the last refresh added. */
  readonly fresh: ReadonlySet<string>;
  readonly sort: Sort;
  readonly density: Preferences['density'];
  readonly selected: string | undefined;
  /** Receives the element that scrolls. */
  readonly scrollRef: (element: HTMLElement | null) => void;
  readonly nowMs: number;
  readonly onSort: (sort: Sort) => void;
  readonly onOpen: (record: RecordRow) => void;
  readonly onFilter: CellFilter;
}

/** All rows have the same height, so that their positions are known without measuring. */
const ROW_HEIGHT_PX: Readonly<Record<Preferences['density'], number>> = {
  compact: 28,
  normal: 36,
  large: 48,
};
const OVERSCAN_ROWS = 12;

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() });

/** A table of thousands of flows; only the visible ones are on the page. */
export function FlowTable(props: FlowTableProps): ReactNode {
  const { t } = useTranslation();
  const scroll = useRef<HTMLElement>(null);
  const { scrollRef } = props;
  const ref = useCallback(
    (element: HTMLElement | null) => {
      scroll.current = element;
      scrollRef(element);
    },
    [scrollRef],
  );
  const [focused, setFocused] = useState(0);
  const read = useMemo(() => createColumnReader(props.config.columns), [props.config]);
  const definitions = useColumnDefs(props.columns, read);
  const table = useTable(
    {
      features,
      columns: definitions,
      data: props.rows as RecordRow[],
      getRowId: (record) => record.key,
      state: { sorting: [{ id: props.sort.column, desc: props.sort.descending }] },
    },
    () => undefined,
  );
  const sorted = table.getRowModel().rows;
  const rowHeight = ROW_HEIGHT_PX[props.density];
  const virtualizer = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => rowHeight,
    overscan: OVERSCAN_ROWS,
    getItemKey: (index) => sorted[index]?.id ?? index,
  });
  const items = virtualizer.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = virtualizer.getTotalSize() - (items.at(-1)?.end ?? 0);
  const hasOffsets = useOffsets(props.rows);
  const widthOf = (column: ColumnConfig): number => widthPx(column, hasOffsets);
  const width = props.columns.reduce((sum, column) => sum + widthOf(column), 0);

  function focusRow(index: number): void {
    const next = Math.max(0, Math.min(sorted.length - 1, index));
    setFocused(next);
    virtualizer.scrollToIndex(next);
    // The row may appear on the page only with the next frame.
    requestAnimationFrame(() => {
      scroll.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus();
    });
  }

  function onKeyDown(event: KeyboardEvent, index: number): void {
    const page = Math.floor((scroll.current?.clientHeight ?? 0) / rowHeight) - 1;
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: page,
      PageUp: -page,
      Home: -sorted.length,
      End: sorted.length,
    };
    const step = steps[event.key];
    const record = sorted[index]?.original;
    if (step !== undefined) focusRow(index + step);
    else if (
      event.key === 'Enter' &&
      event.target === event.currentTarget &&
      record !== undefined
    ) {
      props.onOpen(record);
    } else return;
    event.preventDefault();
  }

  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section ref={ref} className="flow-scroll" aria-label={t('flows.label')} tabIndex={0}>
      <table
        className={`flow-table flow-${props.density}`}
        style={{ inlineSize: `max(100%, ${width}px)` }}
        aria-rowcount={sorted.length + 1}
      >
        <TableHead {...props} widthOf={widthOf} />
        <tbody>
          <Spacer height={before} />
          {items.map((item) => {
            const row = sorted[item.index];
            if (row === undefined) return undefined;
            return (
              <FlowRow
                key={row.id}
                table={props}
                record={row.original}
                index={item.index}
                heightPx={rowHeight}
                isTabStop={item.index === focused}
                read={read}
                onFocus={() => setFocused(item.index)}
                onKeyDown={(event) => onKeyDown(event, item.index)}
              />
            );
          })}
          <Spacer height={after} />
        </tbody>
      </table>
    </section>
  );
}

function FlowRow(props: {
  readonly table: FlowTableProps;
  readonly record: RecordRow;
  readonly index: number;
  readonly heightPx: number;
  readonly isTabStop: boolean;
  readonly read: ColumnReader;
  readonly onFocus: () => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}): ReactNode {
  const { table, record, index, read } = props;
  return (
    <tr
      data-index={index}
      aria-rowindex={index + 2}
      aria-selected={record.key === table.selected}
      className={table.fresh.has(record.key) ? 'fresh' : ''}
      style={{ blockSize: `${props.heightPx}px` }}
      tabIndex={props.isTabStop ? 0 : -1}
      onFocus={props.onFocus}
      onKeyDown={props.onKeyDown}
      onClick={() => table.onOpen(record)}
    >
      {table.columns.map((column) => (
        <FlowCell
          key={column.id}
          config={table.config}
          column={column}
          row={record.row}
          value={read(column, record.row)}
          nowMs={table.nowMs}
          onFilter={table.onFilter}
        />
      ))}
    </tr>
  );
}

function useColumnDefs(columns: readonly ColumnConfig[], read: ColumnReader) {
  return useMemo(
    () =>
      columns.map(
        (column): ColumnDef<typeof features, RecordRow> => ({
          id: column.id,
          accessorFn: (record) => {
            const value = read(column, record.row);
            return isAbsent(value) ? undefined : value;
          },
          sortFn: (a, b, id) => compareValues(a.getValue(id), b.getValue(id)),
          sortUndefined: 'last',
        }),
      ),
    [columns, read],
  );
}

/** Whether clocks were changed about the time of these flows; the newest come first. */
function useOffsets(rows: readonly RecordRow[]): boolean {
  const times = useTimes();
  const timeOf = (record: RecordRow | undefined): number => Number(record?.row.TimeFlowEndMs ?? 0);
  const before = timeOf(rows.at(-1)) - CHANGE_MS;
  return times.offset(before) !== times.offset(timeOf(rows[0]) + CHANGE_MS);
}

/** Longer than any repeated hour, and than a flow. */
const CHANGE_MS = 3 * 3_600_000;

function Spacer({ height }: { readonly height: number }): ReactNode {
  // biome-ignore lint/a11y/noAriaHiddenOnFocusable: an empty row takes no focus.
  return height > 0 ? <tr aria-hidden="true" style={{ blockSize: `${height}px` }} /> : undefined;
}
