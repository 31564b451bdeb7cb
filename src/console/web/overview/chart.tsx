import 'uplot/dist/uPlot.min.css';
import { type ReactNode, useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import { stack } from '../data/series.ts';
import type { Times } from '../format/times.ts';
import { useWidth } from '../parts/use-width.ts';
import { useDark } from '../state/theme.ts';
import { useTimes } from '../state/times.ts';
import { chartColors } from './palette.ts';

export interface ChartLayer {
  readonly name: string;
  readonly color: string;
  /** One value for each time; undefined if nothing was measured. */
  readonly values: readonly (number | undefined)[];
}

/** Amounts add up, so they are stacked, the first at the bottom; other values are lines. */
export type ChartLook = 'stacked' | 'lines';

interface ChartProps {
  /** Description for people who can't see the chart. */
  readonly description: string;
  readonly look: ChartLook;
  readonly times: readonly number[];
  readonly layers: readonly ChartLayer[];
  readonly format: (value: number) => string;
  /** Units that `format` shows per unit of the values; the axis has round numbers of them. */
  readonly scale: number;
  /** Epoch seconds of the range selected with the mouse. */
  readonly onZoom: (startS: number, endS: number) => void;
}

const HEIGHT_PX = 200;

/** A chart over time; the table that goes with it shows the values. */
export function Chart({
  description,
  look,
  times,
  layers,
  format,
  scale,
  onZoom,
}: ChartProps): ReactNode {
  const [box, width] = useWidth<HTMLDivElement>();
  const host = useRef<HTMLDivElement>(null);
  const tooltip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const dark = useDark();
  const clock = useTimes();
  // uPlot keeps the functions it was created with; they read the current values through this.
  const latest = useRef({ times, layers, format, scale, onZoom, clock });
  latest.current = { times, layers, format, scale, onZoom, clock };

  const shape = layers.map((layer) => layer.color).join();
  const data = useMemo(() => toPlotData(look, times, layers, scale), [look, times, layers, scale]);
  const hasWidth = width > 0;

  // Data and width are set by the effects below.
  useEffect(() => {
    const element = host.current;
    if (element === null || !hasWidth) return;
    const made = new uPlot(
      plotOptions({
        width,
        dark,
        look,
        clock,
        colors: shape === '' ? [] : shape.split(','),
        formatAxis: (value) => axisText(latest.current.format(value / latest.current.scale)),
        onZoom: (startS, endS) => latest.current.onZoom(startS, endS),
        onHover: (u) => showTooltip(u, tooltip.current, latest.current),
      }),
      data,
      element,
    );
    plot.current = made;
    return () => {
      plot.current = undefined;
      made.destroy();
    };
  }, [hasWidth, dark, look, shape, clock]);

  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height: HEIGHT_PX });
  }, [width]);

  return (
    <div ref={box} className="chart" role="img" aria-label={description}>
      <div ref={host} />
      <div ref={tooltip} className="chart-tooltip" hidden aria-hidden="true" />
    </div>
  );
}

/** uPlot draws series in their order, so the highest edge comes first and the lowest covers it. */
function toPlotData(
  look: ChartLook,
  times: readonly number[],
  layers: readonly ChartLayer[],
  scale: number,
): uPlot.AlignedData {
  const lines = layers.map((layer) => layer.values);
  const edges =
    look === 'lines' ? lines : stack(lines.map((line) => line.map((value) => value ?? 0)));
  const scaled = edges.map((edge) =>
    edge.map((value) => (value === undefined ? null : value * scale)),
  );
  return [[...times], ...scaled.toReversed()];
}

interface PlotSettings {
  readonly width: number;
  readonly dark: boolean;
  readonly look: ChartLook;
  readonly clock: Times;
  /** Colours of the layers from the bottom up. */
  readonly colors: readonly string[];
  readonly formatAxis: (value: number) => string;
  readonly onZoom: (startS: number, endS: number) => void;
  readonly onHover: (plot: uPlot) => void;
}

const DRAG_MIN_PX = 6;
const FONT = '12px "Red Hat Text", sans-serif';
/** Width of a time label on the axis, so that neighbours stay apart: with seconds, or without. */
const LABEL_PX = 72;
const SHORT_LABEL_PX = 44;
const DAY_LABEL_PX = 88;
const OFFSET_PX = 44;
const NARROW_PX = 400;

function plotOptions(settings: PlotSettings): uPlot.Options {
  const { axis, grid } = chartColors(settings.dark);
  const { clock } = settings;
  const common = { stroke: axis, font: FONT, ticks: { show: false } };
  return {
    width: settings.width,
    height: HEIGHT_PX,
    legend: { show: false },
    // Half of a time label at the end of the axis.
    padding: [8, 24, 0, 0],
    cursor: {
      y: false,
      points: { size: 6 },
      drag: { x: true, y: false, setScale: false, dist: DRAG_MIN_PX },
    },
    scales: {
      x: { time: true },
      y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.05 : 1] },
    },
    axes: [
      {
        ...common,
        grid: { show: false },
        size: 28,
        space: (_plot, _axis, min, max, width) => labelSpace(min, max, width, clock),
        incrs: INCREMENTS_S,
        splits: (_plot, _axis, min, max, increment) => clock.ticks(min, max, increment),
        values: (plot, values) => timeLabels(plot, values, clock),
      },
      {
        ...common,
        grid: { stroke: grid, width: 1 },
        size: 84,
        values: (_plot, values) =>
          values.map((value) => (value === 0 ? '0' : settings.formatAxis(value))),
      },
    ],
    series: [
      {},
      ...settings.colors
        .toReversed()
        .map((color) => (settings.look === 'lines' ? line(color) : area(color, settings.dark))),
    ],
    hooks: {
      setCursor: [settings.onHover],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select;
          if (width < DRAG_MIN_PX) return;
          settings.onZoom(plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x'));
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        },
      ],
    },
  };
}

function area(color: string, dark: boolean): uPlot.Series {
  // Opaque enough to hide the higher layers behind it, because each is drawn down to zero.
  return { stroke: color, fill: mix(color, dark), width: 1.25, points: { show: false } };
}

/** Measurements may be far apart: each is a point, joined to the next. */
function line(color: string): uPlot.Series {
  return {
    stroke: color,
    width: 1.5,
    spanGaps: true,
    points: { show: true, size: 4, width: 0, fill: color },
  };
}

/** The colour on the panel's background, without transparency. */
function mix(color: string, dark: boolean): string {
  const ground = dark ? [0x29, 0x29, 0x29] : [255, 255, 255];
  const share = dark ? 0.5 : 0.4;
  const parts = [1, 3, 5].map((at, index) => {
    const own = Number.parseInt(color.slice(at, at + 2), 16);
    return Math.round(own * share + ground[index]! * (1 - share));
  });
  return `rgb(${parts.join()})`;
}

/** `1.50 Mbit/s` has more digits than a round number needs. */
function axisText(text: string): string {
  return text.replace(/\.(\d*?)0+(?= )/, (_all, rest: string) => (rest === '' ? '' : `.${rest}`));
}

const DAY_S = 86_400;

/** Intervals between labels of the axis; each divides the next larger unit. */
const INCREMENTS_S = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((minutes) => minutes * 60),
  ...[1, 2, 3, 6, 12].map((hours) => hours * 3600),
  ...[1, 2, 5, 10, 30, 90, 365, 3650].map((days) => days * DAY_S),
];

/** Times with a date, or with an offset because clocks were changed, are longer. */
function labelSpace(minS: number, maxS: number, widthPx: number, clock: Times): number {
  const short = widthPx < NARROW_PX ? SHORT_LABEL_PX : LABEL_PX;
  const day = maxS - minS > DAY_S ? DAY_LABEL_PX : short;
  return clock.offset(minS * 1000) === clock.offset(maxS * 1000) ? day : day + OFFSET_PX;
}

function timeLabels(plot: uPlot, values: readonly number[], clock: Times): string[] {
  const { min = 0, max = 0 } = plot.scales.x ?? {};
  const span = (max ?? 0) - (min ?? 0);
  const wholeMinutes = values.every((value) => value % 60 === 0);
  return values.map((value) => {
    if (span > DAY_S) return clock.minute(value * 1000).slice(5);
    const text = clock.clock(value * 1000);
    return wholeMinutes ? text.replace(/:00(?= |$)/, '') : text;
  });
}

/** Includes the date when the chart spans several days. */
function tooltipTime(
  epochMs: number,
  { times, clock }: { readonly times: readonly number[]; readonly clock: Times },
): string {
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return span > DAY_S ? clock.minute(epochMs) : clock.clock(epochMs);
}

const TOOLTIP_OFFSET_PX = 14;

function showTooltip(
  plot: uPlot,
  element: HTMLElement | null,
  content: Pick<ChartProps, 'times' | 'layers' | 'format'> & { readonly clock: Times },
): void {
  if (element === null) return;
  const { idx, left = -1 } = plot.cursor;
  const time = idx === null || idx === undefined ? undefined : content.times[idx];
  if (time === undefined || left < 0 || idx === null || idx === undefined) {
    element.hidden = true;
    return;
  }
  const title = document.createElement('p');
  title.className = 'chart-tooltip-time';
  title.textContent = tooltipTime(time * 1000, content);
  const rows = content.layers.toReversed().map((layer) => {
    const row = document.createElement('p');
    row.className = 'chart-tooltip-row';
    const swatch = document.createElement('span');
    swatch.className = 'swatch';
    swatch.style.background = layer.color;
    const name = document.createElement('span');
    name.className = 'chart-tooltip-name';
    name.textContent = layer.name;
    const value = document.createElement('span');
    const measured = layer.values[idx];
    value.textContent = measured === undefined ? '–' : content.format(measured);
    row.append(swatch, name, value);
    return row;
  });
  element.replaceChildren(title, ...rows);
  element.hidden = false;
  const x = plot.over.offsetLeft + left;
  const flip = x + element.offsetWidth + TOOLTIP_OFFSET_PX > plot.width;
  const at = flip ? x - element.offsetWidth - TOOLTIP_OFFSET_PX : x + TOOLTIP_OFFSET_PX;
  element.style.transform = `translate(${Math.max(0, Math.round(at))}px, 8px)`;
}
