import { useQueryClient } from '@tanstack/react-query';
import { createContext, use, useEffect, useState } from 'react';
import type { LiveTick } from '../../api.ts';
import type { Refresh } from '../state/view-state.ts';
import { RefusedError } from './client.ts';
import { FLOWS_KEY } from './queries.ts';

export interface LiveState {
  readonly status: 'connecting' | 'open' | 'lost';
  readonly tick: LiveTick | undefined;
}

/** Queries are asked again at most this often, however fast the ticks come. */
const LIVE_PERIOD_MS = 2000;

const IDLE: LiveState = { status: 'connecting', tick: undefined };

export const LiveContext = createContext<LiveState>(IDLE);

export function useLive(): LiveState {
  return use(LiveContext);
}

/** Follows `/api/live` and, when the view asks for it, refreshes the flow queries. */
export function useLiveSource(refresh: Refresh, paused: boolean): LiveState {
  const [state, setState] = useState<LiveState>(IDLE);
  useEffect(() => {
    if (paused) return;
    const source = new EventSource('api/live');
    source.addEventListener('open', () => setState((old) => ({ ...old, status: 'open' })));
    source.addEventListener('error', () => setState((old) => ({ ...old, status: 'lost' })));
    source.addEventListener('tick', (event: MessageEvent<string>) => {
      setState({ status: 'open', tick: JSON.parse(event.data) as LiveTick });
    });
    return () => source.close();
  }, [paused]);
  useRefresh(refresh, state);
  return state;
}

function useRefresh(refresh: Refresh, state: LiveState): void {
  const client = useQueryClient();
  const newest = state.tick?.nowMs;
  const flows = state.tick?.flows ?? 0;

  useEffect(() => {
    if (typeof refresh !== 'number') return;
    const timer = setInterval(() => refetchFlows(client), refresh * 1000);
    return () => clearInterval(timer);
  }, [client, refresh]);

  useEffect(() => {
    if (refresh !== 'live' || newest === undefined || flows === 0) return;
    refetchFlows(client, LIVE_PERIOD_MS);
  }, [client, refresh, newest, flows]);

  // Even without new flows a relative range moves on, so that old ones leave the page.
  useEffect(() => {
    if (refresh !== 'live') return;
    const timer = setInterval(() => refetchFlows(client), LIVE_IDLE_PERIOD_MS);
    return () => clearInterval(timer);
  }, [client, refresh]);
}

const LIVE_IDLE_PERIOD_MS = 15_000;

/** Leaves queries alone that are running, were answered just now, or the server refused. */
function refetchFlows(client: ReturnType<typeof useQueryClient>, minimumAgeMs = 0): void {
  void client.invalidateQueries(
    {
      queryKey: [FLOWS_KEY],
      predicate: (query) =>
        query.state.fetchStatus === 'idle' &&
        !isHopeless(query.state.error) &&
        Date.now() - query.state.dataUpdatedAt >= minimumAgeMs,
    },
    { cancelRefetch: false },
  );
}

/** The same question would be refused again. */
function isHopeless(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 400;
}
