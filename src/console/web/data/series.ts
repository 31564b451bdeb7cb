import type { MatrixItem, MetricsResponse } from '../../api.ts';
import type { Range } from '../state/view-state.ts';

/** One line of a chart: its group's values and one number per time of the grid. */
export interface ChartSeries {
  /** Text of each group-by field, in the order of the grouping; empty for the total. */
  readonly group: readonly string[];
  readonly values: readonly number[];
}

export interface ChartData {
  /** Epoch seconds, ascending, the same for all series. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
}

/** Brings series onto the union of their times. A time without a point is 0: nothing flowed. */
export function chartData(response: MetricsResponse, grouping: readonly string[]): ChartData {
  const times = [
    ...new Set(response.result.flatMap((item) => item.values.map(([time]) => time))),
  ].sort((a, b) => a - b);
  const indexOf = new Map(times.map((time, index) => [time, index]));
  const series = response.result.map((item) => {
    const values = new Array<number>(times.length).fill(0);
    for (const [time, text] of item.values) {
      const number = Number(text);
      if (Number.isFinite(number)) values[indexOf.get(time)!] = number;
    }
    return { group: groupOf(item, grouping), values };
  });
  return { times, series };
}

function groupOf(item: MatrixItem, grouping: readonly string[]): readonly string[] {
  return grouping.map((field) => item.metric[field] ?? '');
}

/** The only series of an answer, on the times of a grid; undefined where nothing was measured. */
export function measuredAt(
  times: readonly number[],
  response: MetricsResponse,
): readonly (number | undefined)[] {
  const [item] = response.result;
  const byTime = new Map(item?.values.map(([time, text]) => [time, Number(text)]));
  return times.map((time) => byTime.get(time));
}

export interface SeriesSummary {
  readonly last: number;
  readonly average: number;
  readonly maximum: number;
}

export function summarize(values: readonly number[]): SeriesSummary {
  let sum = 0;
  let maximum = 0;
  for (const value of values) {
    sum += value;
    if (value > maximum) maximum = value;
  }
  const average = values.length === 0 ? 0 : sum / values.length;
  return { last: values.at(-1) ?? 0, average, maximum };
}

/** Difference of the total and the series shown; never below zero, as rounding could make it. */
export function othersOf(
  total: readonly number[],
  series: readonly ChartSeries[],
): readonly number[] {
  return total.map((value, index) => {
    let rest = value;
    for (const one of series) rest -= one.values[index] ?? 0;
    return Math.max(0, rest);
  });
}

/** Running sums from the first series up: the top edge of each layer of a stacked chart. */
export function stack(layers: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const edges: number[][] = [];
  for (const layer of layers) {
    const below = edges.at(-1);
    edges.push(layer.map((value, index) => value + (below?.[index] ?? 0)));
  }
  return edges;
}

/** Sum of each series, or the value of its only step; largest first. */
export interface Ranked {
  readonly group: readonly string[];
  readonly value: number;
}

export function rank(response: MetricsResponse, grouping: readonly string[]): readonly Ranked[] {
  return response.result
    .map((item) => ({
      group: groupOf(item, grouping),
      value: item.values.reduce((sum, [, text]) => sum + Number(text), 0),
    }))
    .filter((entry) => entry.value > 0)
    .sort((a, b) => b.value - a.value);
}

/**
 * Flows are written up to this long after their last packet: younger ones would end every chart in
 * a drop that isn't there.
 */
const SETTLE_S = 5;

/**
 * The range of a chart. Relative ones start and end on multiples of the step, so that the steps
 * stay where they are from one refresh to the next and the lines don't jitter.
 */
export function alignedRange(
  range: Range,
  stepS: number,
  nowS: number,
): { readonly startTime: number; readonly endTime: number } {
  if (range.kind === 'between') {
    return { startTime: range.startS, endTime: lastSecondOf(range.endS) };
  }
  const endS = Math.floor((nowS - SETTLE_S) / stepS) * stepS;
  // A range may be a hundred years long, and epoch seconds start in 1970.
  const startTime = Math.max(0, endS - Math.ceil(range.seconds / stepS) * stepS);
  return { startTime, endTime: lastSecondOf(endS) };
}

/** Start times of the steps of an aligned range. */
export function stepTimes(
  { startTime, endTime }: ReturnType<typeof alignedRange>,
  stepS: number,
): readonly number[] {
  // The server's steps start on multiples of the step.
  const firstS = Math.floor(startTime / stepS) * stepS;
  return Array.from(
    { length: Math.ceil((endTime + 1 - firstS) / stepS) },
    (_, index) => firstS + index * stepS,
  );
}

/** The API's end is the last second that counts; a view's is the first that does not. */
export function lastSecondOf(endS: number): number {
  return endS - 1;
}

/** Step lengths that people read easily, in seconds. */
const STEPS_S: readonly number[] = [
  5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
];

/** Minimum distance of points in CSS pixels: closer ones could not be distinguished. */
const POINT_PX = 5;

const DAY_S = 86_400;

/** Step of a chart: as fine as its width can show, but not finer than the agent reports. */
export function stepFor(rangeS: number, widthPx: number): number {
  const pointsMax = Math.max(20, Math.floor(widthPx / POINT_PX));
  const step = STEPS_S.find((each) => rangeS / each <= pointsMax);
  return step ?? Math.ceil(rangeS / pointsMax / DAY_S) * DAY_S;
}
