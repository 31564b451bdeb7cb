import ArrowDownIcon from '@patternfly/react-icons/dist/esm/icons/long-arrow-alt-down-icon';
import ArrowUpIcon from '@patternfly/react-icons/dist/esm/icons/long-arrow-alt-up-icon';
import {
  type ColumnDef,
  createSortedRowModel,
  rowSortingFeature,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, type ReactNode, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FrontendConfig } from '../../api.ts';
import type { RecordRow } from '../data/rows.ts';
import type { Preferences } from '../state/preferences.ts';
import type { Sort } from '../state/view-state.ts';
import { type CellFilter, FlowCell } from './flow-cell.tsx';
import { type ColumnReader, createColumnReader } from './column-value.ts';
import { columnTitle } from './columns.ts';
import { compareValues, isAbsent } from './compare.ts';
import { isQuantity } from './format-value.ts';

interface FlowTableProps {
  readonly config: FrontendConfig;
  readonly columns: readonly ColumnConfig[];
  readonly rows: readonly RecordRow[];
  /** Keys of rows that the last refresh brought. */
  readonly fresh: ReadonlySet<string>;
  readonly sort: Sort;
  readonly density: Preferences['density'];
  readonly selected: string | undefined;
  readonly nowMs: number;
  readonly onSort: (sort: Sort) => void;
  readonly onOpen: (record: RecordRow) => void;
  readonly onFilter: CellFilter;
}

/** Rows have one height each, so that their places are known without measuring. */
const ROW_HEIGHT_PX: Readonly<Record<Preferences['density'], number>> = {
  compact: 28,
  normal: 36,
  large: 48,
};
const OVERSCAN_ROWS = 12;

const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel() });

/** Thousands of flows, of which only those in sight are on the page. */
export function FlowTable(props: FlowTableProps): ReactNode {
  const { t } = useTranslation();
  const scroll = useRef<HTMLDivElement>(null);
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
  const width = props.columns.reduce((sum, column) => sum + widthPx(column), 0);

  function focusRow(index: number): void {
    const next = Math.max(0, Math.min(sorted.length - 1, index));
    setFocused(next);
    virtualizer.scrollToIndex(next);
    // The row may come onto the page only with the next frame.
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
    else if (event.key === 'Enter' && event.target === event.currentTarget && record !== undefined) {
      props.onOpen(record);
    } else return;
    event.preventDefault();
  }

  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section ref={scroll} className="flow-scroll" aria-label={t('flows.label')} tabIndex={0}>
      <table
        className={`flow-table flow-${props.density}`}
        style={{ inlineSize: `max(100%, ${width}px)` }}
        aria-rowcount={sorted.length + 1}
      >
        <colgroup>
          {props.columns.map((column) => (
            <col key={column.id} style={{ inlineSize: `${widthPx(column)}px` }} />
          ))}
        </colgroup>
        <thead>
          <GroupRow columns={props.columns} />
          <tr aria-rowindex={1}>
            {props.columns.map((column) => (
              <HeaderCell
                key={column.id}
                column={column}
                title={columnTitle(column, props.config.columns)}
                sort={props.sort}
                onSort={props.onSort}
              />
            ))}
          </tr>
        </thead>
        <tbody>
          <Spacer height={before} />
          {items.map((item) => {
            const row = sorted[item.index];
            if (row === undefined) return undefined;
            const record = row.original;
            return (
              <tr
                key={row.id}
                data-index={item.index}
                aria-rowindex={item.index + 2}
                aria-selected={record.key === props.selected}
                className={props.fresh.has(record.key) ? 'fresh' : ''}
                style={{ blockSize: `${rowHeight}px` }}
                tabIndex={item.index === focused ? 0 : -1}
                onFocus={() => setFocused(item.index)}
                onKeyDown={(event) => onKeyDown(event, item.index)}
                onClick={() => props.onOpen(record)}
              >
                {props.columns.map((column) => (
                  <FlowCell
                    key={column.id}
                    config={props.config}
                    column={column}
                    row={record.row}
                    value={read(column, record.row)}
                    nowMs={props.nowMs}
                    onFilter={props.onFilter}
                  />
                ))}
              </tr>
            );
          })}
          <Spacer height={after} />
        </tbody>
      </table>
    </section>
  );
}

function useColumnDefs(columns: readonly ColumnConfig[], read: ColumnReader) {
  return useMemo(
    () =>
      columns.map((column): ColumnDef<typeof features, RecordRow> => ({
        id: column.id,
        accessorFn: (record) => {
          const value = read(column, record.row);
          return isAbsent(value) ? undefined : value;
        },
        sortFn: (a, b, id) => compareValues(a.getValue(id), b.getValue(id)),
        sortUndefined: 'last',
      })),
    [columns, read],
  );
}

function Spacer({ height }: { readonly height: number }): ReactNode {
  return height > 0 ? <tr aria-hidden="true" style={{ blockSize: `${height}px` }} /> : undefined;
}

/** Headings over neighbours of one group: without them "Port" would stand there twice. */
function GroupRow({ columns }: { readonly columns: readonly ColumnConfig[] }): ReactNode {
  const groups: { name: string; span: number; key: string }[] = [];
  for (const column of columns) {
    const name = column.group ?? '';
    const last = groups.at(-1);
    if (last?.name === name) last.span++;
    else groups.push({ name, span: 1, key: column.id });
  }
  if (groups.every((group) => group.name === '')) return undefined;
  return (
    <tr className="group-row" aria-hidden="true">
      {groups.map((group) => (
        <td key={group.key} colSpan={group.span} className={group.name === '' ? '' : 'group-cell'}>
          {group.name}
        </td>
      ))}
    </tr>
  );
}

function HeaderCell(props: {
  readonly column: ColumnConfig;
  readonly title: string;
  readonly sort: Sort;
  readonly onSort: (sort: Sort) => void;
}): ReactNode {
  const { t } = useTranslation();
  const { column, title, sort } = props;
  const active = sort.column === column.id;
  const direction = sort.descending ? 'descending' : 'ascending';
  // Quantities and times are asked for from the large end first.
  const descending = active ? !sort.descending : startsDescending(column);
  return (
    <th
      scope="col"
      className={isQuantity(column.renderer) ? 'number' : ''}
      aria-sort={active ? direction : 'none'}
    >
      <button
        type="button"
        className="sort-button"
        title={column.tooltip ?? t('flows.sort', { name: title })}
        aria-label={t('flows.sort', { name: title })}
        onClick={() => props.onSort({ column: column.id, descending })}
      >
        <span className="ellipsis">{column.name}</span>
        {active ? sort.descending ? <ArrowDownIcon /> : <ArrowUpIcon /> : undefined}
      </button>
    </th>
  );
}

function startsDescending(column: ColumnConfig): boolean {
  return isQuantity(column.renderer) || column.renderer === 'datetime';
}

/** What the usual values of a kind need; other columns go by the configuration. */
const WIDTHS_PX: Partial<Record<ColumnConfig['renderer'], number>> = {
  datetime: 128,
  address: 140,
  port: 116,
  protocol: 84,
  dscp: 68,
  direction: 84,
  flags: 140,
  bytes: 84,
  packets: 88,
  duration: 84,
};

/** The configuration's widths are relative, from 5 for a number to 15 for a name. */
const WIDTH_UNIT_PX = 11;
/** Bold text of the heading, and its padding with the mark of the sorted column. */
const HEADING_CHAR_PX = 7.5;
const HEADING_ROOM_PX = 36;

function widthPx(column: ColumnConfig): number {
  const heading = column.name.length * HEADING_CHAR_PX + HEADING_ROOM_PX;
  return Math.round(Math.max(heading, WIDTHS_PX[column.renderer] ?? column.width * WIDTH_UNIT_PX));
}
