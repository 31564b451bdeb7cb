import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type { LineFunction, MeasureId } from '../../../flow/measures.ts';
import type {
  FrontendConfig,
  MetricsResponse,
  RecordsResponse,
  StatusResponse,
  ValuesResponse,
} from '../../api.ts';
import { toQueryText } from '../filters/terms.ts';
import { useInSight } from '../parts/sight.tsx';
import type { Grouping, Range, ViewState } from '../state/view-state.ts';
import { getJson, type QueryParameters } from './client.ts';
import { alignedRange, lastSecondOf, stepTimes } from './series.ts';

/** Queries under this key run again at each refresh. */
export const FLOWS_KEY = 'flows';

const STATUS_PERIOD_MS = 5000;

export function useFrontendConfig() {
  return useQuery({
    queryKey: ['frontend-config'],
    queryFn: ({ signal }) => getJson<FrontendConfig>('api/frontend-config', {}, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Also the console's heartbeat: when it fails, the server is gone. */
export function useStatus() {
  return useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => getJson<StatusResponse>('api/status', {}, signal),
    refetchInterval: (query) =>
      query.state.status === 'error' ? backoffMs(query.state.errorUpdateCount) : STATUS_PERIOD_MS,
    refetchIntervalInBackground: false,
  });
}

const BACKOFF_START_MS = 1000;
const BACKOFF_MAX_MS = 30_000;

function backoffMs(failures: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_START_MS * 2 ** Math.min(failures - 1, 10));
}

/** The parts of a view that select flows. */
export type FlowScope = Pick<ViewState, 'range' | 'filters' | 'match'>;

function scopeParameters(scope: FlowScope, config: FrontendConfig): QueryParameters {
  return { ...rangeParameters(scope.range), filters: toQueryText(scope, config.filters) };
}

function rangeParameters(range: Range): QueryParameters {
  // The server's clock stamped the flows, so it also resolves relative ranges.
  return range.kind === 'last'
    ? { timeRange: range.seconds }
    : { startTime: range.startS, endTime: lastSecondOf(range.endS) };
}

export function rangeSeconds(range: Range): number {
  return range.kind === 'last' ? range.seconds : range.endS - range.startS;
}

export function useRecords(scope: FlowScope, limit: number, config: FrontendConfig) {
  const parameters = { ...scopeParameters(scope, config), limit };
  return useQuery({
    queryKey: [FLOWS_KEY, 'records', parameters],
    queryFn: ({ signal }) => getJson<RecordsResponse>('api/flow/records', parameters, signal),
    placeholderData: keepPreviousData,
  });
}

export interface MetricRequest {
  /** Durations are in milliseconds in answers, independent of the field's unit. */
  readonly type: MeasureId;
  readonly fn: 'sum' | 'avg';
  /** Empty for everything together. */
  readonly grouping: Grouping;
  readonly limit?: number;
  readonly stepS: number;
}

export function useMetrics(scope: FlowScope, request: MetricRequest, config: FrontendConfig) {
  const parameters = {
    ...scopeParameters(scope, config),
    type: request.type,
    function: request.fn,
    aggregateBy: aggregateBy(request.grouping),
    limit: request.limit,
    step: request.stepS,
  };
  return useQuery({
    queryKey: [FLOWS_KEY, 'metrics', parameters],
    queryFn: ({ signal }) => getJson<MetricsResponse>('api/flow/metrics', parameters, signal),
    enabled: useInSight(),
    placeholderData: keepPreviousData,
  });
}

/** How flows are aggregated over each step, and the fields that split them. */
export interface SeriesAsk {
  readonly fn: 'rate' | LineFunction;
  /** Empty for everything together. */
  readonly grouping: Grouping;
  readonly limit?: number;
  readonly rateIntervalS?: number;
}

export interface SeriesRequest {
  readonly type: MeasureId;
  /** Undefined until the width of the chart, which it depends on, is known. */
  readonly stepS: number | undefined;
  readonly asks: readonly SeriesAsk[];
}

export interface SeriesAnswer {
  /** Epoch seconds at which the steps start. */
  readonly times: readonly number[];
  /** One for each ask, in their order. */
  readonly responses: readonly MetricsResponse[];
}

/** Data of a chart over time: one query, so that all series have the same steps. */
export function useSeries(scope: FlowScope, request: SeriesRequest, config: FrontendConfig) {
  const filters = toQueryText(scope, config.filters);
  const { type, stepS = 1 } = request;
  return useQuery({
    queryKey: [FLOWS_KEY, 'series', filters, scope.range, request],
    async queryFn({ signal }): Promise<SeriesAnswer> {
      const askAt = async (nowS: number): Promise<SeriesAnswer> => {
        const range = alignedRange(scope.range, stepS, nowS);
        const common = { filters, ...range, type, step: stepS };
        const responses = await Promise.all(
          request.asks.map((ask) =>
            getJson<MetricsResponse>(
              'api/flow/metrics',
              { ...common, ...askParameters(ask) },
              signal,
            ),
          ),
        );
        return { times: stepTimes(range, stepS), responses };
      };
      const nowS = Math.floor(Date.now() / 1000);
      const answer = await askAt(nowS);
      const serverNowS = answer.responses[0]?.unixTimestamp ?? nowS;
      // The server's clock stamped the flows, so it counts when ours differs.
      const differs = Math.abs(serverNowS - nowS) > stepS && scope.range.kind === 'last';
      return differs ? askAt(serverNowS) : answer;
    },
    enabled: useInSight() && request.stepS !== undefined,
    placeholderData: keepPreviousData,
  });
}

function askParameters({ fn, grouping, limit, rateIntervalS }: SeriesAsk): QueryParameters {
  return {
    function: fn,
    aggregateBy: aggregateBy(grouping),
    limit,
    rateInterval: rateIntervalS,
  };
}

function aggregateBy(grouping: Grouping): string {
  return grouping.length === 0 ? 'app' : grouping.join(',');
}

const PREVIOUS_STALE_MS = 60_000;

/**
 * The same measure over the preceding range. Queried rarely, because it hardly changes, and not at
 * all when it starts before the oldest flow: fewer flows were kept then, not fewer sent.
 */
export function usePreviousTotal(
  scope: FlowScope,
  type: MeasureId,
  config: FrontendConfig,
  nowS: number,
) {
  const seconds = rangeSeconds(scope.range);
  const endS = scope.range.kind === 'last' ? nowS - seconds : scope.range.startS;
  const oldestMs = useStatus().data?.store.oldestMs ?? Number.POSITIVE_INFINITY;
  const parameters = {
    filters: toQueryText(scope, config.filters),
    startTime: endS - seconds,
    endTime: lastSecondOf(endS),
    type,
    function: 'sum',
    aggregateBy: 'app',
    step: seconds,
  };
  return useQuery({
    // Without the times: they move every second, and the answer doesn't.
    queryKey: ['previous', type, parameters.filters, scope.range],
    queryFn: ({ signal }) => getJson<MetricsResponse>('api/flow/metrics', parameters, signal),
    enabled: oldestMs <= (endS - seconds) * 1000,
    staleTime: PREVIOUS_STALE_MS,
    refetchInterval: PREVIOUS_STALE_MS,
  });
}

const SUGGESTIONS_MAX = 50;
const SUGGESTIONS_STALE_MS = 30_000;

export function useValues(field: string | undefined, contains: string, range: Range) {
  const parameters = {
    ...rangeParameters(range),
    field,
    contains,
    limit: SUGGESTIONS_MAX,
  };
  return useQuery({
    queryKey: ['values', parameters],
    queryFn: ({ signal }) => getJson<ValuesResponse>('api/flow/values', parameters, signal),
    enabled: field !== undefined,
    staleTime: SUGGESTIONS_STALE_MS,
    placeholderData: keepPreviousData,
  });
}
