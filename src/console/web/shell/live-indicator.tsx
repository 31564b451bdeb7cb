import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { useLive } from '../data/live.ts';
import { formatCount } from '../format/numbers.ts';
import { formatSpan } from '../format/time.ts';
import type { Refresh } from '../state/view-state.ts';

/** Whether the page follows the network, and how much arrives. */
export function LiveIndicator({ refresh }: { readonly refresh: Refresh }): ReactNode {
  const { t } = useTranslation();
  const { status, tick } = useLive();
  const lost = status === 'lost';
  const mode = lost ? 'lost' : refresh === 'off' ? 'paused' : status;
  const text =
    mode === 'open' && typeof refresh === 'number'
      ? t('live.every', { period: formatSpan(refresh) })
      : t(`live.${mode}`);
  const rate =
    tick === undefined || tick.elapsedMs <= 0 ? undefined : (tick.flows / tick.elapsedMs) * 1000;
  return (
    <span className={`live live-${mode}`} title={t('live.title', { status: text })}>
      <span className="live-dot" aria-hidden="true" />
      <span className="live-text">{text}</span>
      {rate === undefined || lost ? undefined : (
        <span className="live-rate">
          {t('live.rate', { flows: formatCount(Math.round(rate)) })}
        </span>
      )}
    </span>
  );
}
