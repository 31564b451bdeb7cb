import { keepPreviousData, useQuery } from '@tanstack/react-query';
import type {
  FrontendConfig,
  MetricsResponse,
  RecordsResponse,
  StatusResponse,
  ValuesResponse,
} from '../../api.ts';
import { toQueryText } from '../filters/terms.ts';
import type { Grouping, Metric, Range, ViewState } from '../state/view-state.ts';
import { getJson, type QueryParameters } from './client.ts';
import { alignedRange } from './series.ts';

/** Queries under this key are asked again at each refresh. */
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

/** The parts of a view that decide which flows are meant. */
export type FlowScope = Pick<ViewState, 'range' | 'filters' | 'match'>;

function scopeParameters(scope: FlowScope, config: FrontendConfig): QueryParameters {
  return { ...rangeParameters(scope.range), filters: toQueryText(scope, config.filters) };
}

function rangeParameters(range: Range): QueryParameters {
  // Relative ranges are left to the server's clock, which stamped the flows.
  return range.kind === 'last'
    ? { timeRange: range.seconds }
    : { startTime: range.startS, endTime: range.endS };
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
  readonly type: Metric;
  readonly fn: 'sum' | 'count';
  /** Empty: everything together. */
  readonly grouping: Grouping;
  readonly limit?: number;
  readonly stepS: number;
}

export function useMetrics(scope: FlowScope, request: MetricRequest, config: FrontendConfig) {
  const parameters = {
    ...scopeParameters(scope, config),
    type: request.type,
    function: request.fn,
    aggregateBy: request.grouping.length === 0 ? 'app' : request.grouping.join(','),
    limit: request.limit,
    step: request.stepS,
  };
  return useQuery({
    queryKey: [FLOWS_KEY, 'metrics', parameters],
    queryFn: ({ signal }) => getJson<MetricsResponse>('api/flow/metrics', parameters, signal),
    placeholderData: keepPreviousData,
  });
}

export interface RateRequest {
  readonly type: 'Bytes' | 'Packets';
  readonly grouping: Grouping;
  readonly limit: number;
  readonly stepS: number;
  readonly rateIntervalS: number;
}

export interface Rates {
  readonly total: MetricsResponse;
  readonly split: MetricsResponse;
}

/** A rate over time for everything and for the largest groups: one query, so that both agree. */
export function useRates(scope: FlowScope, request: RateRequest, config: FrontendConfig) {
  const filters = toQueryText(scope, config.filters);
  return useQuery({
    queryKey: [FLOWS_KEY, 'rates', filters, scope.range, request],
    async queryFn({ signal }): Promise<Rates> {
      const ask = async (nowS: number): Promise<Rates> => {
        const common = {
          filters,
          ...alignedRange(scope.range, request.stepS, nowS),
          type: request.type,
          function: 'rate',
          step: request.stepS,
          rateInterval: request.rateIntervalS,
        };
        const get = (more: QueryParameters): Promise<MetricsResponse> =>
          getJson<MetricsResponse>('api/flow/metrics', { ...common, ...more }, signal);
        const [total, split] = await Promise.all([
          get({ aggregateBy: 'app' }),
          get({ aggregateBy: request.grouping.join(','), limit: request.limit }),
        ]);
        return { total, split };
      };
      const nowS = Math.floor(Date.now() / 1000);
      const rates = await ask(nowS);
      const serverNowS = rates.total.unixTimestamp;
      // The flows were stamped by the server's clock: where ours differs, its counts.
      const differs = Math.abs(serverNowS - nowS) > request.stepS && scope.range.kind === 'last';
      return differs ? ask(serverNowS) : rates;
    },
    placeholderData: keepPreviousData,
  });
}

const PREVIOUS_STALE_MS = 60_000;

/** The same measure over the range just before; asked for rarely, as it hardly changes. */
export function usePreviousTotal(
  scope: FlowScope,
  type: Metric,
  config: FrontendConfig,
  nowS: number,
) {
  const seconds = rangeSeconds(scope.range);
  const endS = scope.range.kind === 'last' ? nowS - seconds : scope.range.startS;
  const parameters = {
    filters: toQueryText(scope, config.filters),
    startTime: endS - seconds,
    endTime: endS,
    type,
    function: 'sum',
    aggregateBy: 'app',
    step: seconds,
  };
  return useQuery({
    // Without the times: they move with every second, the answer doesn't.
    queryKey: ['previous', type, parameters.filters, scope.range],
    queryFn: ({ signal }) => getJson<MetricsResponse>('api/flow/metrics', parameters, signal),
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
