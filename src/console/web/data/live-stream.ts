import type { LiveTick } from '../../api.ts';
import type { LiveState } from './live-share.ts';

/** An interruption shorter than this does not show: the server ends streams now and then. */
const GRACE_MS = 8000;
const REOPEN_MIN_MS = 3000;
const REOPEN_MAX_MS = 30_000;

/**
 * The server's stream of events. A browser retries by itself when a connection breaks, but never
 * after an answer that is not a stream, such as a proxy's while the server restarts.
 */
export function openLiveStream(url: string, onState: (state: LiveState) => void): Disposable {
  let state: LiveState = { status: 'connecting', tick: undefined };
  let source: EventSource | undefined;
  let reopenMs = REOPEN_MIN_MS;
  let reopenTimer: ReturnType<typeof setTimeout> | undefined;
  let graceTimer: ReturnType<typeof setTimeout> | undefined;

  const tell = (change: Partial<LiveState>): void => {
    state = { ...state, ...change };
    onState(state);
  };
  const open = (): void => {
    const opened = new EventSource(url);
    source = opened;
    opened.addEventListener('open', () => {
      clearTimeout(graceTimer);
      graceTimer = undefined;
      reopenMs = REOPEN_MIN_MS;
      tell({ status: 'open' });
    });
    opened.addEventListener('error', () => {
      graceTimer ??= setTimeout(() => tell({ status: 'lost' }), GRACE_MS);
      if (opened.readyState !== EventSource.CLOSED) return;
      reopenTimer = setTimeout(open, reopenMs);
      reopenMs = Math.min(REOPEN_MAX_MS, reopenMs * 2);
    });
    opened.addEventListener('tick', (event: MessageEvent<string>) =>
      tell({ status: 'open', tick: JSON.parse(event.data) as LiveTick }),
    );
  };
  open();
  return {
    [Symbol.dispose]() {
      clearTimeout(reopenTimer);
      clearTimeout(graceTimer);
      source?.close();
    },
  };
}
