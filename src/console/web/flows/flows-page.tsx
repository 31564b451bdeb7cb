import { Skeleton } from '@patternfly/react-core/dist/dynamic/components/Skeleton';
import ColumnsIcon from '@patternfly/react-icons/dist/esm/icons/columns-icon';
import { lazy, type ReactNode, Suspense, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { ColumnConfig, FrontendConfig } from '../../api.ts';
import { useRecords } from '../data/queries.ts';
import { type RecordRow, rowsOf } from '../data/rows.ts';
import { addTerm, exactValue } from '../filters/terms.ts';
import { formatBytes, formatCount, formatExact } from '../format/numbers.ts';
import { PanelBody } from '../overview/panel.tsx';
import { Choice } from '../parts/choice.tsx';
import { EmptyTraffic } from '../shell/empty-traffic.tsx';
import { usePreferenceStore, usePreferences } from '../state/preferences.ts';
import { useView } from '../state/view.ts';
import { LIMITS } from '../state/view-state.ts';
import { availableColumns, shownColumns } from './columns.ts';
import { FlowTable } from './flow-table.tsx';
import { useFresh } from './use-fresh.ts';

const ColumnsModal = lazy(() => import('./columns-modal.tsx'));
const RecordDrawer = lazy(() => import('./record-drawer.tsx'));

const DENSITIES = ['compact', 'normal', 'large'] as const;

export default function FlowsPage({ config }: { readonly config: FrontendConfig }): ReactNode {
  const [view, setView] = useView();
  const { density } = usePreferences();
  const [choosing, setChoosing] = useState(false);
  const [opened, setOpened] = useState<RecordRow>();
  const query = useRecords(view, view.limit, config);
  const rows = useMemo(
    () => (query.data === undefined ? [] : rowsOf(query.data, config.fields)),
    [query.data, config.fields],
  );
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
        rows={rows}
        limited={query.data?.stats.limitReached === true}
        onColumns={() => setChoosing(true)}
      />
      <PanelBody query={query} height="24rem">
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

function FlowsOptions(props: {
  readonly rows: readonly RecordRow[];
  readonly limited: boolean;
  readonly onColumns: () => void;
}): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const { density } = usePreferences();
  const store = usePreferenceStore();
  const shown = formatExact(props.rows.length);
  const { bytes, packets } = useMemo(() => sums(props.rows), [props.rows]);
  return (
    <div className="options">
      <p className="flows-count" aria-live="polite">
        <strong>
          {props.limited ? t('flows.limited', { shown }) : t('flows.shown', { shown })}
        </strong>{' '}
        <span className="panel-subtitle">
          {t('flows.sum', { bytes: formatBytes(bytes), packets: formatCount(packets) })}
          {props.limited ? ` · ${t('flows.more')}` : ''}
        </span>
      </p>
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

function sums(rows: readonly RecordRow[]): { readonly bytes: number; readonly packets: number } {
  let bytes = 0;
  let packets = 0;
  for (const { row } of rows) {
    bytes += Number(row.Bytes ?? 0);
    packets += Number(row.Packets ?? 0);
  }
  return { bytes, packets };
}
