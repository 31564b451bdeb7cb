import { useQueryClient } from '@tanstack/react-query';
import { createContext, use, useEffect, useState } from 'react';
import { useVisible } from '../parts/use-visible.ts';
import type { Refresh } from '../state/view-state.ts';
import { RefusedError } from './client.ts';
import { followLive, type LiveState } from './live-share.ts';
import { openLiveStream } from './live-stream.ts';
import { FLOWS_KEY } from './queries.ts';

/** Queries run again at most this often, however fast the ticks come. */
const LIVE_PERIOD_MS = 2000;

const IDLE: LiveState = { status: 'connecting', tick: undefined };

export const LiveContext = createContext<LiveState>(IDLE);

export function useLive(): LiveState {
  return use(LiveContext);
}

/**
 * Keeps the page's data up to date, as the view requires. A hidden page sends no queries, and
 * catches up when it becomes visible.
 */
export function useLiveSource(refresh: Refresh, paused: boolean): LiveState {
  const [state, setState] = useState<LiveState>(IDLE);
  const visible = useVisible();
  const follows = refresh === 'live' && visible && !paused;
  useEffect(() => {
    if (!follows) return;
    const follower = followLive(
      {
        openChannel: () => new BroadcastChannel(`netobserv ${LIVE_URL}`),
        openStream: (onState) => openLiveStream(LIVE_URL, onState),
        random: Math.random,
      },
      setState,
    );
    // Closing a page runs no React cleanup, and the other tabs would wait for the lease to end.
    const leave = (): void => follower[Symbol.dispose]();
    addEventListener('pagehide', leave);
    return () => {
      removeEventListener('pagehide', leave);
      leave();
      setState((old) => ({ ...old, status: 'connecting' }));
    };
  }, [follows]);
  useRefresh(refresh, state, visible && !paused);
  return state;
}

/** The full URL, because one reverse proxy may serve consoles under several prefixes. */
const LIVE_URL = new URL('api/live', document.baseURI).href;

function useRefresh(refresh: Refresh, state: LiveState, active: boolean): void {
  const client = useQueryClient();
  const newest = state.tick?.nowMs;
  const flows = state.tick?.flows ?? 0;
  // Even without new flows, a relative range moves on, so that old flows leave the page.
  const periodMs =
    typeof refresh === 'number' ? refresh * 1000 : refresh === 'live' ? LIVE_IDLE_PERIOD_MS : 0;

  useEffect(() => {
    if (!active || periodMs === 0) return;
    // Data younger than the period stays, as when the page has just been opened.
    refetchFlows(client, periodMs);
    const timer = setInterval(() => refetchFlows(client), periodMs);
    return () => clearInterval(timer);
  }, [client, active, periodMs]);

  useEffect(() => {
    if (!active || refresh !== 'live' || newest === undefined || flows === 0) return;
    refetchFlows(client, LIVE_PERIOD_MS);
  }, [client, active, refresh, newest, flows]);
}

const LIVE_IDLE_PERIOD_MS = 15_000;

/** Skips queries that are running, were answered just now, or were refused by the server. */
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

/** The same query would be refused again. */
function isHopeless(error: unknown): boolean {
  return error instanceof RefusedError && error.status === 400;
}
