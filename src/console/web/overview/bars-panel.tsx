import { type ReactNode, useMemo } from 'react';
import type { MeasureId } from '../../../flow/measures.ts';
import type { FrontendConfig } from '../../api.ts';
import { rangeSeconds, useMetrics } from '../data/queries.ts';
import { useView } from '../state/view.ts';
import type { Grouping } from '../state/view-state.ts';
import { Bars } from './bars.tsx';
import { HeldBody } from './held-body.tsx';
import { Panel } from './panel.tsx';

interface BarsPanelProps {
  readonly config: FrontendConfig;
  readonly title: ReactNode;
  /** Ranks the groups by this measure, aggregated over the whole time range. */
  readonly type: MeasureId;
  readonly fn: 'sum' | 'avg';
  readonly grouping: Grouping;
  /** Sum over all groups, for the shares; undefined for no shares. */
  readonly total?: number | undefined;
  readonly format: (value: number) => string;
  /** Shown when there are no bars. */
  readonly empty: string;
}

/** The groups with the largest values. */
export function BarsPanel(props: BarsPanelProps): ReactNode {
  const [view] = useView();
  const { config, title, type, fn, grouping, total, format, empty } = props;
  const stepS = rangeSeconds(view.range);
  const query = useMetrics(view, { type, fn, grouping, limit: view.top, stepS }, config);
  const { error, isFetching, isPlaceholderData } = query;
  // Kept together, because shares of a later total would be wrong.
  const data = useMemo(
    () => (query.data === undefined ? undefined : { answer: query.data, total }),
    [query.data, total],
  );
  return (
    <Panel title={title}>
      <HeldBody
        query={{ data, error, isFetching, isPlaceholderData, refetch: () => query.refetch() }}
        height="11rem"
      >
        {(shown) => (
          <Bars
            config={config}
            grouping={grouping}
            data={shown.answer}
            total={shown.total}
            format={format}
            empty={empty}
          />
        )}
      </HeldBody>
    </Panel>
  );
}
