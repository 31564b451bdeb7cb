import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { type SeriesSummary, summarize } from '../data/series.ts';
import { addTerm } from '../filters/terms.ts';
import { useTimes } from '../state/times.ts';
import { useView } from '../state/view.ts';
import type { FilterTerm } from '../state/view-state.ts';
import { Chart, type ChartLayer, type ChartLook } from './chart.tsx';

export interface SeriesRow extends ChartLayer {
  /** Conditions that select the series; empty if that is impossible. */
  readonly terms: readonly FilterTerm[];
}

interface SeriesChartProps {
  readonly title: string;
  readonly look: ChartLook;
  readonly times: readonly number[];
  readonly rows: readonly SeriesRow[];
  /** Shown only in the table. */
  readonly total?: SeriesRow;
  /** Figures of each series in the table. */
  readonly figures: readonly (keyof SeriesSummary)[];
  readonly format: (value: number) => string;
  /** Units that `format` shows per unit of the values: 8 where bytes are shown as bits. */
  readonly scale?: number;
}

/** Series over time as a chart, with their figures in a table below. */
export function SeriesChart(props: SeriesChartProps): ReactNode {
  const { t } = useTranslation();
  const [, setView] = useView();
  const clock = useTimes();
  const { title, times, rows } = props;
  const description = t('chart.summary', {
    title,
    count: rows.length,
    from: clock.clock((times[0] ?? 0) * 1000),
    to: clock.clock((times.at(-1) ?? 0) * 1000),
  });
  return (
    <>
      <Chart
        description={description}
        look={props.look}
        times={times}
        layers={rows}
        format={props.format}
        scale={props.scale ?? 1}
        onZoom={(startS, endS) =>
          setView({ range: { kind: 'between', startS: Math.floor(startS), endS: Math.ceil(endS) } })
        }
      />
      <Legend {...props} />
    </>
  );
}

/**
 * Replaces a chart without series. A chart up to now ends with its last whole step, so flows of the
 * last seconds are in the totals before they are in here, and `text`, which refers to the whole
 * range, would contradict them.
 */
export function NoSeries(props: {
  readonly text: string;
  readonly times: readonly number[];
}): ReactNode {
  const { t } = useTranslation();
  const [{ range }] = useView();
  const clock = useTimes();
  const { text, times } = props;
  const [first = 0, second = first] = times;
  const stepS = second - first;
  const endMs = ((times.at(-1) ?? 0) + stepS) * 1000;
  const time = stepS < 60 ? clock.clock(endMs) : clock.minute(endMs);
  return <p className="panel-empty">{range.kind === 'last' ? t('chart.ends', { time }) : text}</p>;
}

function Legend({ title, rows, total, figures, format }: SeriesChartProps): ReactNode {
  const { t } = useTranslation();
  return (
    <section
      className="legend-scroll"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable.
      tabIndex={0}
      aria-label={t('chart.legend', { title })}
    >
      <table className="legend">
        <thead>
          <tr>
            <th scope="col">{t('chart.name')}</th>
            {figures.map((key) => (
              <th key={key} scope="col" className={`number legend-${key}`}>
                {t(`chart.${key}`)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {[...rows, ...(total === undefined ? [] : [total])].map((row) => {
            const summary = summarize(row.values.filter((value) => value !== undefined));
            return (
              <tr key={row.name} className={row === total ? 'legend-total' : ''}>
                <th scope="row">
                  <span className="legend-name">
                    <Swatch color={row.color} />
                    <SeriesName row={row} />
                  </span>
                </th>
                {figures.map((key) => (
                  <td key={key} className={`number legend-${key}`}>
                    {format(summary[key])}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function SeriesName({ row }: { readonly row: SeriesRow }): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  if (row.terms.length === 0) return <span className="ellipsis">{row.name}</span>;
  return (
    <button
      type="button"
      className="cell-button ellipsis"
      title={t('chart.filter', { name: row.name })}
      onClick={() => setView({ filters: row.terms.reduce(addTerm, view.filters) })}
    >
      {row.name}
    </button>
  );
}

function Swatch({ color }: { readonly color: string }): ReactNode {
  return (
    <span className="swatch" aria-hidden="true" style={{ background: color || 'transparent' }} />
  );
}
