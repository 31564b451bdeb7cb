import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { TRAFFIC_MEASURES } from '../../../flow/measures.ts';
import type { FrontendConfig } from '../../api.ts';
import { Choice } from '../parts/choice.tsx';
import { Sight } from '../parts/sight.tsx';
import { EmptyTraffic } from '../shell/empty-traffic.tsx';
import { useView } from '../state/view.ts';
import { TOPS } from '../state/view-state.ts';
import { GroupPicker } from './group-picker.tsx';
import { FeaturePanels, TrafficPanels } from './measure-panels.tsx';
import { TopPanel } from './top-panel.tsx';
import { TotalsStrip, useTotals } from './totals.tsx';

export function OverviewPage({ config }: { readonly config: FrontendConfig }): ReactNode {
  const [view, setView] = useView();
  const { totals, queries } = useTotals(config);
  if (totals.Flows === 0 && !queries.Flows.isPlaceholderData) return <EmptyTraffic />;

  return (
    <div className="overview">
      <TotalsStrip config={config} totals={totals} />
      <OverviewOptions config={config} />
      <TrafficPanels config={config} />
      <div className="tops">
        {view.panels.map((grouping, index) => (
          // Panels are identified by position, and may repeat.
          <Sight key={index}>
            <TopPanel
              config={config}
              grouping={grouping}
              total={totals[view.metric]}
              onGrouping={(changed) => setView({ panels: view.panels.with(index, changed) })}
            />
          </Sight>
        ))}
      </div>
      <FeaturePanels config={config} />
    </div>
  );
}

function OverviewOptions({ config }: { readonly config: FrontendConfig }): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  return (
    <div className="options">
      <span className="option">
        <span className="option-name">{t('chart.groupBy')}</span>
        <GroupPicker
          config={config}
          label={t('chart.groupBy')}
          value={view.groupBy}
          onChange={(groupBy) => setView({ groupBy })}
        />
      </span>
      <span className="option">
        <span className="option-name">{t('top.metric')}</span>
        <Choice
          label={t('top.metric')}
          value={view.metric}
          options={TRAFFIC_MEASURES.map((id) => ({ value: id, label: t(`measure.${id}.title`) }))}
          onChange={(metric) => setView({ metric })}
        />
      </span>
      <span className="option">
        <span className="option-name">{t('top.count')}</span>
        <Choice
          label={t('top.count')}
          value={view.top}
          options={TOPS.map((top) => ({ value: top, label: String(top) }))}
          onChange={(top) => setView({ top })}
        />
      </span>
    </div>
  );
}
