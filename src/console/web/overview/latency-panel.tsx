import { type ReactNode, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../../api.ts';
import { rangeSeconds, type SeriesAnswer, useSeries } from '../data/queries.ts';
import { measuredAt, stepFor } from '../data/series.ts';
import { formatDuration } from '../format/time.ts';
import { useWidth } from '../parts/use-width.ts';
import { useDark } from '../state/theme.ts';
import { useView } from '../state/view.ts';
import type { FeatureMetric } from '../state/view-state.ts';
import { HeldBody } from './held-body.tsx';
import { chartColors } from './palette.ts';
import { Panel } from './panel.tsx';
import { NoSeries, SeriesChart, type SeriesRow } from './series-chart.tsx';

type LatencyType = Extract<FeatureMetric, 'DnsLatencyMs' | 'TimeFlowRttNs'>;

/** Of the flows of each step, from the lowest line to the highest. */
const LINES: Readonly<Record<LatencyType, readonly ('min' | 'avg' | 'p90' | 'p99')[]>> = {
  DnsLatencyMs: ['avg', 'p90', 'p99'],
  TimeFlowRttNs: ['min', 'avg', 'p90', 'p99'],
};

interface LatencyPanelProps {
  readonly config: FrontendConfig;
  readonly type: LatencyType;
}

/** How long something took, over time: the average of flows, and what most of them stay below. */
export function LatencyPanel({ config, type }: LatencyPanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const [box, width] = useWidth<HTMLDivElement>();
  const stepS = width === 0 ? undefined : stepFor(rangeSeconds(view.range), width);
  const asks = LINES[type].map((fn) => ({ fn, grouping: [] }));
  const query = useSeries(view, { type, stepS, asks }, config);
  return (
    <Panel
      title={t(`latency.${type}`)}
      actions={<span className="panel-hint">{t('chart.zoomHint')}</span>}
    >
      <div ref={box}>
        <HeldBody query={query} height="20rem">
          {(answer) => <LatencyChart type={type} answer={answer} />}
        </HeldBody>
      </div>
    </Panel>
  );
}

function LatencyChart(props: {
  readonly type: LatencyType;
  readonly answer: SeriesAnswer;
}): ReactNode {
  const { t } = useTranslation();
  const dark = useDark();
  const { type, answer } = props;
  const rows = useMemo(() => {
    const colors = chartColors(dark);
    return LINES[type].map(
      (fn, index): SeriesRow => ({
        name: t(`line.${fn}`),
        color: colors.series(index),
        values: measuredAt(answer.times, answer.responses[index]!),
        terms: [],
      }),
    );
  }, [type, answer, dark, t]);
  const isEmpty = answer.responses.every(({ result }) => result.length === 0);
  if (isEmpty) return <NoSeries text={t(`empty.${type}`)} times={answer.times} />;
  return (
    <SeriesChart
      title={t(`latency.${type}`)}
      look="lines"
      times={answer.times}
      rows={rows}
      // An average of percentiles would mean nothing.
      figures={['last', 'maximum']}
      format={formatDuration}
    />
  );
}
