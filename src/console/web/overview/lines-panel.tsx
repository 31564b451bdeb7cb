import { type ReactNode, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { LineFunction, MeasureId } from '../../../flow/measures.ts';
import type { FrontendConfig } from '../../api.ts';
import { rangeSeconds, type SeriesAnswer, useSeries } from '../data/queries.ts';
import { measuredAt, stepFor } from '../data/series.ts';
import { useWidth } from '../parts/use-width.ts';
import { useDark } from '../state/theme.ts';
import { useView } from '../state/view.ts';
import { amountFormat } from './amounts.ts';
import { HeldBody } from './held-body.tsx';
import { chartColors } from './palette.ts';
import { Panel } from './panel.tsx';
import { NoSeries, SeriesChart, type SeriesRow } from './series-chart.tsx';

interface LinesPanelProps {
  readonly config: FrontendConfig;
  /** A duration. */
  readonly type: MeasureId;
  readonly title: string;
  /** Functions that aggregate a step's flows to a point of each line, from the lowest line up. */
  readonly functions: readonly LineFunction[];
}

/** Durations over time: the average of flows, and what most of them stay below. */
export function LinesPanel({ config, type, title, functions }: LinesPanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const [box, width] = useWidth<HTMLDivElement>();
  const stepS = width === 0 ? undefined : stepFor(rangeSeconds(view.range), width);
  const asks = functions.map((fn) => ({ fn, grouping: [] }));
  const query = useSeries(view, { type, stepS, asks }, config);
  return (
    <Panel title={title} actions={<span className="panel-hint">{t('chart.zoomHint')}</span>}>
      <div ref={box}>
        <HeldBody query={query} height="20rem">
          {(answer) => (
            <LinesChart type={type} title={title} functions={functions} answer={answer} />
          )}
        </HeldBody>
      </div>
    </Panel>
  );
}

interface LinesChartProps extends Omit<LinesPanelProps, 'config'> {
  readonly answer: SeriesAnswer;
}

function LinesChart({ type, title, functions, answer }: LinesChartProps): ReactNode {
  const { t } = useTranslation();
  const dark = useDark();
  const rows = useMemo(() => {
    const colors = chartColors(dark);
    return functions.map(
      (fn, index): SeriesRow => ({
        name: t(`line.${fn}`),
        color: colors.series(index),
        values: measuredAt(answer.times, answer.responses[index]!),
        terms: [],
      }),
    );
  }, [functions, answer, dark, t]);
  const isEmpty = answer.responses.every(({ result }) => result.length === 0);
  if (isEmpty) return <NoSeries text={t(`measure.${type}.empty`)} times={answer.times} />;
  return (
    <SeriesChart
      title={title}
      look="lines"
      times={answer.times}
      rows={rows}
      // An average of percentiles would mean nothing.
      figures={['last', 'maximum']}
      format={amountFormat(type)}
    />
  );
}
