import type { ReactNode } from 'react';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig, MetricsResponse } from '../../api.ts';
import { rangeSeconds, useRates } from '../data/queries.ts';
import { chartData, othersOf, stepFor, summarize } from '../data/series.ts';
import { addTerm } from '../filters/terms.ts';
import { formatByteRate, formatPacketRate } from '../format/numbers.ts';
import { formatClock } from '../format/time.ts';
import { useWidth } from '../parts/use-width.ts';
import { usePreferences } from '../state/preferences.ts';
import { useDark } from '../state/theme.ts';
import { useView } from '../state/view.ts';
import type { Grouping } from '../state/view-state.ts';
import { Chart, type ChartLayer } from './chart.tsx';
import { groupingName, groupLabel, groupTerms } from './group-names.ts';
import { chartColors } from './palette.ts';
import { Panel, PanelBody } from './panel.tsx';

interface RatePanelProps {
  readonly config: FrontendConfig;
  readonly type: 'Bytes' | 'Packets';
}

/** Flows are reported once per active timeout: over less than this their rate would be jagged. */
const RATE_WINDOW_MIN_S = 10;

/** A rate over time: the largest groups stacked, and the rest up to the total. */
export function RatePanel({ config, type }: RatePanelProps): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  const { rateUnit } = usePreferences();
  const [box, width] = useWidth<HTMLDivElement>();
  const stepS = stepFor(rangeSeconds(view.range), width === 0 ? 600 : width);
  const query = useRates(
    view,
    {
      type,
      grouping: view.groupBy,
      limit: view.top,
      stepS,
      rateIntervalS: Math.max(stepS, RATE_WINDOW_MIN_S),
    },
    config,
  );
  const format = (value: number): string =>
    type === 'Bytes' ? formatByteRate(value, rateUnit) : formatPacketRate(value);
  const title = type === 'Bytes' ? t('chart.bytes') : t('chart.packets');

  return (
    <Panel
      title={
        <>
          {title}{' '}
          <span className="panel-subtitle">
            {t('chart.by', { group: groupingName(view.groupBy, config, t) })}
          </span>
        </>
      }
      actions={<span className="panel-hint">{t('chart.zoomHint')}</span>}
    >
      <div ref={box}>
        <PanelBody query={query} height="20rem">
          {(data) => (
            <RateChart
              config={config}
              title={title}
              grouping={view.groupBy}
              total={data.total}
              split={data.split}
              format={format}
              scale={type === 'Bytes' && rateUnit === 'bits' ? 8 : 1}
            />
          )}
        </PanelBody>
      </div>
    </Panel>
  );
}

interface RateChartProps {
  readonly config: FrontendConfig;
  readonly title: string;
  readonly grouping: Grouping;
  readonly total: MetricsResponse;
  readonly split: MetricsResponse;
  readonly format: (value: number) => string;
  /** Units that `format` shows per unit of the values: 8 where bytes are shown as bits. */
  readonly scale: number;
}

interface Row extends ChartLayer {
  /** Undefined for what is not one group. */
  readonly group: readonly string[] | undefined;
}

function RateChart(props: RateChartProps): ReactNode {
  const { t } = useTranslation();
  const [, setView] = useView();
  const rows = useRows(props);
  const { times, layers, total } = rows;
  const description = t('chart.summary', {
    title: props.title,
    count: layers.length,
    from: formatClock((times[0] ?? 0) * 1000),
    to: formatClock((times.at(-1) ?? 0) * 1000),
  });
  return (
    <>
      <Chart
        description={description}
        times={times}
        layers={layers}
        format={props.format}
        scale={props.scale}
        onZoom={(startS, endS) =>
          setView({ range: { kind: 'between', startS: Math.floor(startS), endS: Math.ceil(endS) } })
        }
      />
      <Legend {...props} rows={[...layers, total]} />
    </>
  );
}

function useRows({ config, grouping, total, split }: RateChartProps) {
  const { t } = useTranslation();
  const dark = useDark();
  return useMemo(() => {
    const colors = chartColors(dark);
    const whole = chartData(total, []);
    const parts = chartData(split, grouping);
    const { times } = whole;
    const align = (values: readonly number[], from: readonly number[]): readonly number[] => {
      const byTime = new Map(from.map((time, index) => [time, values[index] ?? 0]));
      return times.map((time) => byTime.get(time) ?? 0);
    };
    const layers: Row[] = parts.series.map((series, index) => ({
      group: series.group,
      name: groupLabel(series.group, grouping, config, t('group.none')),
      color: colors.series(index),
      values: align(series.values, parts.times),
    }));
    const sums = whole.series[0]?.values ?? [];
    const rest = othersOf(
      sums,
      layers.map((layer) => ({ group: [], values: layer.values })),
    );
    if (isVisible(rest, sums)) {
      layers.push({ group: undefined, name: t('chart.others'), color: colors.rest, values: rest });
    }
    const totalRow: Row = { group: undefined, name: t('chart.total'), color: '', values: sums };
    return { times, layers, total: totalRow };
  }, [config, grouping, total, split, dark, t]);
}

/** Rounding leaves crumbs that are no series. */
function isVisible(rest: readonly number[], sums: readonly number[]): boolean {
  return rest.some((value, index) => value > (sums[index] ?? 0) * 1e-3);
}

function Legend(props: RateChartProps & { readonly rows: readonly Row[] }): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  return (
    <section
      className="legend-scroll"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable.
      tabIndex={0}
      aria-label={t('chart.legend', { title: props.title })}
    >
      <table className="legend">
        <thead>
          <tr>
            <th scope="col">{t('chart.name')}</th>
            {(['last', 'average', 'maximum'] as const).map((key) => (
              <th key={key} scope="col" className={`number legend-${key}`}>
                {t(`chart.${key}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {props.rows.map((row) => {
            const { last, average, maximum } = summarize(row.values);
            const { group } = row;
            const terms =
              group === undefined ? [] : groupTerms(group, props.grouping, props.config);
            return (
              <tr key={row.name} className={row.color === '' ? 'legend-total' : ''}>
                <th scope="row">
                  <span className="legend-name">
                    <Swatch color={row.color} />
                    {terms.length === 0 ? (
                      <span className="ellipsis">{row.name}</span>
                    ) : (
                      <button
                        type="button"
                        className="cell-button ellipsis"
                        title={t('chart.filter', { name: row.name })}
                        onClick={() => setView({ filters: terms.reduce(addTerm, view.filters) })}
                      >
                        {row.name}
                      </button>
                    )}
                  </span>
                </th>
                <td className="number">{props.format(last)}</td>
                <td className="number legend-average">{props.format(average)}</td>
                <td className="number">{props.format(maximum)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Swatch({ color }: { readonly color: string }): ReactNode {
  return (
    <span className="swatch" aria-hidden="true" style={{ background: color || 'transparent' }} />
  );
}
