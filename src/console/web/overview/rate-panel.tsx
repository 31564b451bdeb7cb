import type { ReactNode } from 'react';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { MeasureId } from '../../../flow/measures.ts';
import type { FrontendConfig } from '../../api.ts';
import { rangeSeconds, type SeriesAnswer, useSeries } from '../data/queries.ts';
import { chartData, othersOf, stepFor } from '../data/series.ts';
import { useWidth } from '../parts/use-width.ts';
import { usePreferences } from '../state/preferences.ts';
import { useDark } from '../state/theme.ts';
import { useView } from '../state/view.ts';
import type { Grouping } from '../state/view-state.ts';
import { rateFormat } from './amounts.ts';
import { groupingName, groupLabel, groupTerms, isOverlapping } from './group-names.ts';
import { HeldBody } from './held-body.tsx';
import { chartColors } from './palette.ts';
import { Panel } from './panel.tsx';
import { NoSeries, SeriesChart, type SeriesRow } from './series-chart.tsx';

interface RatePanelProps {
  readonly config: FrontendConfig;
  /** An amount: rates of durations mean nothing. */
  readonly type: MeasureId;
  readonly title: string;
  readonly grouping: Grouping;
}

/** Flows are reported once per active timeout: a shorter window makes their rate jagged. */
const RATE_WINDOW_MIN_S = 10;

/** A rate over time: the largest groups stacked, and the rest up to the total, if they add up. */
export function RatePanel({ config, type, title, grouping }: RatePanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const [box, width] = useWidth<HTMLDivElement>();
  const stepS = width === 0 ? undefined : stepFor(rangeSeconds(view.range), width);
  const rate = { fn: 'rate', rateIntervalS: Math.max(stepS ?? 0, RATE_WINDOW_MIN_S) } as const;
  const asks = [
    { ...rate, grouping: [] },
    { ...rate, grouping, limit: view.top },
  ];
  const query = useSeries(view, { type, stepS, asks }, config);

  return (
    <Panel
      title={
        <>
          {title}{' '}
          <span className="panel-subtitle">
            {t('chart.by', { group: groupingName(grouping, config, t) })}
          </span>
        </>
      }
      actions={<span className="panel-hint">{t('chart.zoomHint')}</span>}
    >
      <div ref={box}>
        <HeldBody query={query} height="20rem">
          {(answer) => (
            <RateChart
              config={config}
              type={type}
              title={title}
              grouping={grouping}
              answer={answer}
            />
          )}
        </HeldBody>
      </div>
    </Panel>
  );
}

interface RateChartProps extends RatePanelProps {
  readonly answer: SeriesAnswer;
}

function RateChart(props: RateChartProps): ReactNode {
  const { t } = useTranslation();
  const { rateUnit } = usePreferences();
  const { type, title } = props;
  const { times, layers, total } = useRows(props);
  if (times.length === 0)
    return <NoSeries text={t(`measure.${type}.empty`)} times={props.answer.times} />;
  return (
    <SeriesChart
      title={title}
      look={isOverlapping(props.grouping, props.config) ? 'lines' : 'stacked'}
      times={times}
      rows={layers}
      total={total}
      figures={['last', 'average', 'maximum']}
      {...rateFormat(type, rateUnit)}
    />
  );
}

function useRows({ config, grouping, answer }: RateChartProps) {
  const { t } = useTranslation();
  const dark = useDark();
  return useMemo(() => {
    const [totals, split] = answer.responses;
    const colors = chartColors(dark);
    const whole = chartData(totals!, []);
    const parts = chartData(split!, grouping);
    const { times } = whole;
    const align = (values: readonly number[], from: readonly number[]): readonly number[] => {
      const byTime = new Map(from.map((time, index) => [time, values[index] ?? 0]));
      return times.map((time) => byTime.get(time) ?? 0);
    };
    const groups = parts.series.map((series) => ({
      group: series.group,
      values: align(series.values, parts.times),
    }));
    const layers = groups.map(
      ({ group, values }, index): SeriesRow => ({
        name: groupLabel(group, grouping, config, t('group.none')),
        color: colors.series(index),
        values,
        terms: groupTerms(group, grouping, config),
      }),
    );
    const sums = whole.series[0]?.values ?? [];
    const rest = othersOf(sums, groups);
    if (!isOverlapping(grouping, config) && isVisible(rest, sums)) {
      layers.push({ name: t('chart.others'), color: colors.rest, values: rest, terms: [] });
    }
    const total: SeriesRow = { name: t('chart.total'), color: '', values: sums, terms: [] };
    return { times, layers, total };
  }, [config, grouping, answer, dark, t]);
}

/** Rounding leaves remainders that do not deserve a series. */
function isVisible(rest: readonly number[], sums: readonly number[]): boolean {
  return rest.some((value, index) => value > (sums[index] ?? 0) * 1e-3);
}
