import ArrowDownIcon from '@patternfly/react-icons/dist/esm/icons/long-arrow-alt-down-icon';
import ArrowUpIcon from '@patternfly/react-icons/dist/esm/icons/long-arrow-alt-up-icon';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FrontendConfig } from '../../api.ts';
import type { Sort } from '../state/view-state.ts';
import { columnTitle } from './columns.ts';
import { isQuantity } from './format-value.ts';

interface TableHeadProps {
  readonly config: FrontendConfig;
  readonly columns: readonly ColumnConfig[];
  /** Width of a column in CSS pixels. */
  readonly widthOf: (column: ColumnConfig) => number;
  readonly sort: Sort;
  readonly onSort: (sort: Sort) => void;
}

/** Widths and headings of the columns. */
export function TableHead({ config, columns, widthOf, sort, onSort }: TableHeadProps): ReactNode {
  return (
    <>
      <colgroup>
        {columns.map((column) => (
          <col key={column.id} style={{ inlineSize: `${widthOf(column)}px` }} />
        ))}
      </colgroup>
      <thead>
        <GroupRow columns={columns} />
        <tr aria-rowindex={1}>
          {columns.map((column) => (
            <HeaderCell
              key={column.id}
              column={column}
              title={columnTitle(column, config.columns)}
              sort={sort}
              onSort={onSort}
            />
          ))}
        </tr>
      </thead>
    </>
  );
}

/** Headings over neighbours of one group: without them "Port" would appear twice. */
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
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: only text, which the headings below repeat.
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
  // The first sort of quantities and times is descending.
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

/** Width for typical values of a kind; other columns use the configuration. */
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

/** A day, and an offset to UTC. */
const LONG_TIME_PX = 188;

/** `hasOffsets`: times show their offset to UTC, because clocks were changed. */
export function widthPx(column: ColumnConfig, hasOffsets: boolean): number {
  if (hasOffsets && column.renderer === 'datetime') return LONG_TIME_PX;
  const heading = column.name.length * HEADING_CHAR_PX + HEADING_ROOM_PX;
  return Math.round(Math.max(heading, WIDTHS_PX[column.renderer] ?? column.width * WIDTH_UNIT_PX));
}
