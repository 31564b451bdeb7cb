import type { ReactNode } from 'react';
import type { FrontendConfig } from '../../api.ts';
import { rangeSeconds, useMetrics } from '../data/queries.ts';
import { useView } from '../state/view.ts';
import type { FeatureMetric, Grouping, Metric } from '../state/view-state.ts';
import { Bars } from './bars.tsx';
import { Panel, PanelBody } from './panel.tsx';

interface BarsPanelProps {
  readonly config: FrontendConfig;
  readonly title: ReactNode;
  /** What ranks the groups, and how it is put together over the whole time. */
  readonly type: Metric | FeatureMetric;
  readonly fn: 'sum' | 'avg';
  readonly grouping: Grouping;
  /** Of everything, for the shares; undefined: there are none. */
  readonly total?: number | undefined;
  readonly format: (value: number) => string;
  /** In place of bars when there are none. */
  readonly empty: string;
}

/** The groups with the most of something. */
export function BarsPanel(props: BarsPanelProps): ReactNode {
  const [view] = useView();
  const { config, title, type, fn, grouping, total, format, empty } = props;
  const stepS = rangeSeconds(view.range);
  const query = useMetrics(view, { type, fn, grouping, limit: view.top, stepS }, config);
  return (
    <Panel title={title}>
      <PanelBody query={query} height="11rem">
        {(data) => (
          <Bars
            config={config}
            grouping={grouping}
            data={data}
            total={total}
            format={format}
            empty={empty}
          />
        )}
      </PanelBody>
    </Panel>
  );
}
