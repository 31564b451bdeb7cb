import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import {
  MEASURES,
  type Measure,
  type MeasureId,
  type MeasurePanel,
} from '../../../flow/measures.ts';
import type { FrontendConfig } from '../../api.ts';
import { Sight } from '../parts/sight.tsx';
import { useView } from '../state/view.ts';
import { amountFormat, rankingFunction } from './amounts.ts';
import { BarsPanel } from './bars-panel.tsx';
import { LinesPanel } from './lines-panel.tsx';
import { RatePanel } from './rate-panel.tsx';

interface PanelsProps {
  readonly config: FrontendConfig;
}

/** Measures with panels, by the feature that they need; undefined if they need none. */
const BY_FEATURE = Map.groupBy(
  MEASURES.filter(({ panels }) => panels !== undefined),
  ({ feature }) => feature,
);

/** The rates of all traffic. */
export function TrafficPanels({ config }: PanelsProps): ReactNode {
  return <div className="rates">{panelsOf(BY_FEATURE.get(undefined) ?? [], config)}</div>;
}

/** One row of panels for each feature that is on. */
export function FeaturePanels({ config }: PanelsProps): ReactNode {
  return [...BY_FEATURE]
    .filter(([feature]) => feature !== undefined && config.features.includes(feature))
    .map(([feature, measures]) => (
      <div key={feature} className="features">
        {panelsOf(measures, config)}
      </div>
    ));
}

function panelsOf(measures: readonly Measure[], config: FrontendConfig): ReactNode {
  return measures.flatMap(({ id, panels = [] }) =>
    panels.map((panel, index) => (
      <Sight key={`${id}-${index}`}>
        <OnePanel config={config} type={id} panel={panel} index={index} />
      </Sight>
    )),
  );
}

function OnePanel(props: {
  readonly config: FrontendConfig;
  readonly type: MeasureId;
  readonly panel: MeasurePanel;
  /** Index among the panels of its measure. */
  readonly index: number;
}): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const { config, type, panel, index } = props;
  const shared = { config, type, title: t(`measure.${type}.panels.${index}`) };
  switch (panel.kind) {
    case 'rate':
      return <RatePanel {...shared} grouping={panel.by ?? view.groupBy} />;
    case 'lines':
      return <LinesPanel {...shared} functions={panel.functions} />;
    case 'ranking':
      return (
        <BarsPanel
          {...shared}
          fn={rankingFunction(type)}
          grouping={panel.by}
          format={amountFormat(type)}
          empty={t(`measure.${type}.empty`)}
        />
      );
  }
}
