import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ServerGoneError } from '../data/client.ts';
import { useLive } from '../data/live.ts';
import { useStatus } from '../data/queries.ts';
import { formatCount } from '../format/numbers.ts';
import { formatSpan } from '../format/time.ts';
import type { Refresh } from '../state/view-state.ts';

/** Whether the page follows the network, and how much arrives. */
export function LiveIndicator({ refresh }: { readonly refresh: Refresh }): ReactNode {
  const { t } = useTranslation();
  const { status, tick } = useLive();
  const gone = useStatus().error instanceof ServerGoneError;
  // Only a live page follows the server's events.
  const mode = gone ? 'lost' : refresh === 'off' ? 'paused' : refresh === 'live' ? status : 'open';
  const text =
    mode === 'open' && typeof refresh === 'number'
      ? t('live.every', { period: formatSpan(refresh) })
      : t(`live.${mode}`);
  const follows = refresh === 'live' && mode === 'open';
  const rate =
    !follows || tick === undefined || tick.elapsedMs <= 0
      ? undefined
      : (tick.flows / tick.elapsedMs) * 1000;
  return (
    <span className={`live live-${mode}`} title={t('live.title', { status: text })}>
      <span className="live-dot" aria-hidden="true" />
      <span className="live-text">{text}</span>
      {rate === undefined ? undefined : (
        <span className="live-rate">
          {t('live.rate', { flows: formatCount(Math.round(rate)) })}
        </span>
      )}
    </span>
  );
}
