import { Skeleton } from '@patternfly/react-core/dist/dynamic/components/Skeleton';
import ColumnsIcon from '@patternfly/react-icons/dist/esm/icons/columns-icon';
import { lazy, type ReactNode, Suspense, useCallback, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FrontendConfig, RecordsResponse } from '../../api.ts';
import { useHeld } from '../data/held.ts';
import { useRecords } from '../data/queries.ts';
import { type RecordRow, rowsOf } from '../data/rows.ts';
import { addTerm, exactValue } from '../filters/terms.ts';
import { formatBytes, formatCount, formatExact } from '../format/numbers.ts';
import { isShown, PanelBody } from '../overview/panel.tsx';
import { Choice } from '../parts/choice.tsx';
import { useReading } from '../parts/use-reading.ts';
import { EmptyTraffic } from '../shell/empty-traffic.tsx';
import { usePreferenceStore, usePreferences } from '../state/preferences.ts';
import { useView } from '../state/view.ts';
import { LIMITS } from '../state/view-state.ts';
import { availableColumns, shownColumns } from './columns.ts';
import { FlowTable } from './flow-table.tsx';
import { newKeys, useFresh } from './use-fresh.ts';

const ColumnsModal = lazy(() => import('./columns-modal.tsx'));
const RecordDrawer = lazy(() => import('./record-drawer.tsx'));

const DENSITIES = ['compact', 'normal', 'large'] as const;

export default function FlowsPage({ config }: { readonly config: FrontendConfig }): ReactNode {
  const [view, setView] = useView();
  const { density } = usePreferences();
  const [choosing, setChoosing] = useState(false);
  const [opened, setOpened] = useState<RecordRow>();
  const query = useRecords(view, view.limit, config);
  const [table, setTable] = useState<HTMLElement | null>(null);
  const [readingRef, isReading] = useReading();
  const scrollRef = useCallback(
    (element: HTMLElement | null) => {
      setTable(element);
      readingRef(element);
    },
    [readingRef],
  );
  const held = useHeld(query, isReading || opened !== undefined);
  const rows = useRows(held.data, config);
  const pending = usePending(held.isOld ? query.data : undefined, rows, config);
  const { error, isFetching } = query;
  const columns = useMemo(() => shownColumns(view.columns, config), [view.columns, config]);
  const fresh = useFresh(rows, query.isPlaceholderData);

  function filter(column: ColumnConfig, value: unknown, exclude: boolean): void {
    const wanted = config.filters.find((candidate) => candidate.id === column.filter);
    if (wanted === undefined) return;
    const values = (Array.isArray(value) ? value : [value]).map((one) =>
      exactValue(one, wanted, config),
    );
    const operator = exclude ? '!=' : '=';
    setView({
      filters: addTerm(view.filters, { id: wanted.id, operator, values, disabled: false }),
    });
  }

  if (rows.length === 0 && query.isSuccess && !query.isPlaceholderData) return <EmptyTraffic />;
  return (
    <div className={`flows ${opened === undefined ? '' : 'flows-with-drawer'}`}>
      <FlowsOptions
        rows={isShown({ data: held.data, error, isFetching }) ? rows : undefined}
        limited={held.data?.stats.limitReached === true}
        pending={pending}
        onPending={() => {
          held.release();
          table?.scrollTo({ top: 0 });
        }}
        onColumns={() => setChoosing(true)}
      />
      <PanelBody
        query={{ data: held.data, error, isFetching, refetch: () => query.refetch() }}
        height="24rem"
      >
        {(data) => (
          <div className="flows-body">
            <FlowTable
              config={config}
              columns={columns}
              rows={rows}
              fresh={fresh}
              sort={view.sort}
              density={density}
              selected={opened?.key}
              scrollRef={scrollRef}
              nowMs={data.unixTimestamp * 1000}
              onSort={(sort) => setView({ sort })}
              onOpen={setOpened}
              onFilter={filter}
            />
            {opened === undefined ? undefined : (
              <Suspense fallback={<Skeleton className="drawer" />}>
                <RecordDrawer
                  config={config}
                  record={opened}
                  onFilter={filter}
                  onClose={() => setOpened(undefined)}
                />
              </Suspense>
            )}
          </div>
        )}
      </PanelBody>
      {choosing ? (
        <Suspense>
          <ColumnsModal
            columns={availableColumns(config)}
            shown={columns.map((column) => column.id)}
            onClose={() => setChoosing(false)}
            onSave={(ids) => {
              setChoosing(false);
              setView({ columns: ids });
            }}
          />
        </Suspense>
      ) : undefined}
    </div>
  );
}

function useRows(data: RecordsResponse | undefined, config: FrontendConfig): readonly RecordRow[] {
  const { fields } = config;
  return useMemo(() => (data === undefined ? [] : rowsOf(data, fields)), [data, fields]);
}

/** Flows of the newest answer that the table does not show yet. */
function usePending(
  newest: RecordsResponse | undefined,
  shown: readonly RecordRow[],
  config: FrontendConfig,
): number {
  const rows = useRows(newest, config);
  return useMemo(
    () => newKeys(rows, new Set(shown.map((record) => record.key))).size,
    [rows, shown],
  );
}

function FlowsOptions(props: {
  /** Undefined when none are shown. */
  readonly rows: readonly RecordRow[] | undefined;
  readonly limited: boolean;
  /** Flows that are held back until the reader requests them. */
  readonly pending: number;
  readonly onPending: () => void;
  readonly onColumns: () => void;
}): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const { density } = usePreferences();
  const store = usePreferenceStore();
  return (
    <div className="options">
      <p className="flows-count" aria-live="polite">
        {props.rows === undefined ? undefined : <Sums rows={props.rows} limited={props.limited} />}
      </p>
      <button
        type="button"
        className={`tool-button pending ${props.pending === 0 ? 'pending-none' : ''}`}
        title={t('flows.pendingHint')}
        onClick={props.onPending}
      >
        {t('flows.pending', { count: props.pending })}
      </button>
      <Choice
        label={t('flows.limit')}
        value={view.limit}
        options={LIMITS.map((limit) => ({
          value: limit,
          label: t('flows.limitOf', { count: limit }),
        }))}
        onChange={(limit) => setView({ limit })}
      />
      <Choice
        label={t('flows.density')}
        value={density}
        options={DENSITIES.map((value) => ({ value, label: t(`flows.${value}`) }))}
        onChange={(value) => store.set({ density: value })}
      />
      <button type="button" className="tool-button" onClick={props.onColumns}>
        <ColumnsIcon aria-hidden="true" /> {t('flows.columns')}
      </button>
    </div>
  );
}

function Sums(props: {
  readonly rows: readonly RecordRow[];
  readonly limited: boolean;
}): ReactNode {
  const { t } = useTranslation();
  const { rows, limited } = props;
  const shown = formatExact(rows.length);
  const { bytes, packets } = useMemo(() => sums(rows), [rows]);
  return (
    <>
      <strong>{limited ? t('flows.limited', { shown }) : t('flows.shown', { shown })}</strong>{' '}
      <span className="panel-subtitle">
        {t('flows.sum', { bytes: formatBytes(bytes), packets: formatCount(packets) })}
        {limited ? ` · ${t('flows.more')}` : ''}
      </span>
    </>
  );
}

function sums(rows: readonly RecordRow[]): { readonly bytes: number; readonly packets: number } {
  let bytes = 0;
  let packets = 0;
  for (const { row } of rows) {
    bytes += Number(row.Bytes ?? 0);
    packets += Number(row.Packets ?? 0);
  }
  return { bytes, packets };
}
