import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig, MetricsResponse } from '../../api.ts';
import { rank } from '../data/series.ts';
import { addTerm } from '../filters/terms.ts';
import { useView } from '../state/view.ts';
import type { Grouping } from '../state/view-state.ts';
import { groupLabel, groupTerms } from './group-names.ts';

interface BarsProps {
  readonly config: FrontendConfig;
  readonly grouping: Grouping;
  readonly data: MetricsResponse;
  /** Total for the shares; undefined until it is known, or when there are no shares. */
  readonly total: number | undefined;
  readonly format: (value: number) => string;
  /** Shown when there are no bars. */
  readonly empty: string;
}

/** The largest groups as bars; a click on one shows only its flows. */
export function Bars(props: BarsProps): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const { config, grouping, total } = props;
  const bars = rank(props.data, grouping);
  const largest = bars[0]?.value ?? 0;
  if (bars.length === 0) return <p className="panel-empty">{props.empty}</p>;

  return (
    <ol className="bars">
      {bars.map((bar) => {
        const name = groupLabel(bar.group, grouping, config, t('group.none'));
        const value = props.format(bar.value);
        const terms = groupTerms(bar.group, grouping, config);
        // The total may be a moment older than the bars.
        const share =
          total === undefined || total === 0 ? undefined : Math.min(1, bar.value / total) * 100;
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
              {share === undefined ? undefined : (
                <span className="bar-share">{t('top.share', { percent: percent(share) })}</span>
              )}
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
