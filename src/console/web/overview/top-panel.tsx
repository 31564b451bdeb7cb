import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig, MetricsResponse } from '../../api.ts';
import { rangeSeconds, useMetrics } from '../data/queries.ts';
import { rank } from '../data/series.ts';
import { addTerm } from '../filters/terms.ts';
import { formatBytes, formatCount } from '../format/numbers.ts';
import { useView } from '../state/view.ts';
import type { Grouping, Metric } from '../state/view-state.ts';
import { groupingName, groupLabel, groupTerms } from './group-names.ts';
import { GroupPicker } from './group-picker.tsx';
import { Panel, PanelBody } from './panel.tsx';

interface TopPanelProps {
  readonly config: FrontendConfig;
  readonly grouping: Grouping;
  readonly onGrouping: (grouping: Grouping) => void;
  /** Of everything, for the shares; undefined until it is known. */
  readonly total: number | undefined;
}

/** The largest groups as bars; a click on one shows only its flows. */
export function TopPanel({ config, grouping, onGrouping, total }: TopPanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const query = useMetrics(
    view,
    {
      type: view.metric,
      fn: 'sum',
      grouping,
      limit: view.top,
      stepS: rangeSeconds(view.range),
    },
    config,
  );
  return (
    <Panel
      title={
        <span className="top-title">
          {t('top.title')}
          <GroupPicker
            config={config}
            label={t('top.group')}
            variant="plainText"
            text={groupingName(grouping, config, t)}
            value={grouping}
            onChange={onGrouping}
          />
        </span>
      }
    >
      <PanelBody query={query} height="11rem">
        {(data) => (
          <Bars
            config={config}
            grouping={grouping}
            metric={view.metric}
            data={data}
            total={total}
          />
        )}
      </PanelBody>
    </Panel>
  );
}

function Bars(props: {
  readonly config: FrontendConfig;
  readonly grouping: Grouping;
  readonly metric: Metric;
  readonly data: MetricsResponse;
  readonly total: number | undefined;
}): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const { config, grouping, total } = props;
  const bars = rank(props.data, grouping);
  const largest = bars[0]?.value ?? 0;
  if (bars.length === 0) return <p className="panel-empty">{t('top.nothing')}</p>;

  return (
    <ol className="bars">
      {bars.map((bar) => {
        const name = groupLabel(bar.group, grouping, config, t('group.none'));
        const value = props.metric === 'Bytes' ? formatBytes(bar.value) : formatCount(bar.value);
        const terms = groupTerms(bar.group, grouping, config);
        const share = total === undefined || total === 0 ? undefined : (bar.value / total) * 100;
        return (
          <li key={bar.group.join()}>
            <button
              type="button"
              className="bar"
              disabled={terms.length === 0}
              title={t('top.filter', { name, value })}
              onClick={() => setView({ filters: terms.reduce(addTerm, view.filters) })}
            >
              <span
                className="bar-fill"
                style={{ inlineSize: `${(bar.value / largest) * 100}%` }}
              />
              <span className="bar-name ellipsis">{name}</span>
              <span className="bar-value">{value}</span>
              <span className="bar-share">
                {share === undefined ? '' : t('top.share', { percent: percent(share) })}
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}

function percent(share: number): string {
  return share >= 9.95 ? share.toFixed(0) : share >= 0.1 ? share.toFixed(1) : '<0.1';
}
