import { Button } from '@patternfly/react-core/dist/dynamic/components/Button';
import {
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
} from '@patternfly/react-core/dist/dynamic/components/EmptyState';
import NetworkIcon from '@patternfly/react-icons/dist/esm/icons/network-icon';
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { StatusResponse } from '../../api.ts';
import { rangeSeconds, useStatus } from '../data/queries.ts';
import { formatCount } from '../format/numbers.ts';
import { formatSpan } from '../format/time.ts';
import { visible } from '../format/visible.ts';
import { useTimes } from '../state/times.ts';
import { useView } from '../state/view.ts';
import { LAST_SECONDS, type Range } from '../state/view-state.ts';

/** Shown without flows: says why, if the server knows, and what to do. */
export function EmptyTraffic(): ReactNode {
  const status = useStatus().data;
  if (status === undefined || status.store.rows > 0) return <NothingFound status={status} />;
  if (!status.store.isReady) return <StoreDown error={status.store.error} />;
  return <NothingYet agent={status.agent} />;
}

function NothingFound({ status }: { readonly status: StatusResponse | undefined }): ReactNode {
  const { t } = useTranslation();
  const [view, setView] = useView();
  const times = useTimes();
  const filtered = view.filters.some((term) => !term.disabled);
  const seconds = rangeSeconds(view.range);
  const newest = status?.store.newestMs ?? undefined;
  // Back to the newest flow, if that is known.
  const reachS = newest === undefined || filtered ? 0 : (Date.now() - newest) / 1000;
  const longer = LAST_SECONDS.find((span) => span > seconds && span > reachS);
  return (
    <EmptyState
      headingLevel="h2"
      icon={SearchIcon}
      titleText={filtered ? t('states.noMatch') : t('states.noFlows')}
    >
      <EmptyStateBody>
        {filtered ? <p>{t('states.noMatchHint')}</p> : undefined}
        {newest === undefined ? undefined : (
          <p>{t('states.newest', { time: times.minute(newest) })}</p>
        )}
      </EmptyStateBody>
      <EmptyStateFooter>
        <EmptyStateActions>
          {filtered ? (
            <Button onClick={() => setView({ filters: [] })}>{t('states.clear')}</Button>
          ) : undefined}
          {longer === undefined ? undefined : (
            <Button
              variant="secondary"
              onClick={() => setView({ range: { kind: 'last', seconds: longer } })}
            >
              {t('states.longer', { span: formatSpan(longer) })}
            </Button>
          )}
          {newest === undefined || filtered ? undefined : (
            <Button variant="link" onClick={() => setView({ range: around(newest, seconds) })}>
              {t('states.aroundNewest')}
            </Button>
          )}
        </EmptyStateActions>
      </EmptyStateFooter>
    </EmptyState>
  );
}

function around(newestMs: number, seconds: number): Range {
  const endS = Math.ceil(newestMs / 1000) + 1;
  return { kind: 'between', startS: endS - seconds, endS };
}

function StoreDown({ error }: { readonly error: string }): ReactNode {
  const { t } = useTranslation();
  return (
    <EmptyState headingLevel="h2" status="danger" titleText={t('states.storeDown')}>
      <EmptyStateBody>{error}</EmptyStateBody>
    </EmptyState>
  );
}

/** More names would push the advice away. */
const NAMES_MAX = 24;

function NothingYet({ agent }: { readonly agent: StatusResponse['agent'] }): ReactNode {
  const { t } = useTranslation();
  if (!agent.isEnabled) {
    return (
      <EmptyState headingLevel="h2" icon={NetworkIcon} titleText={t('states.noAgent')}>
        <EmptyStateBody>{t('states.noAgentDo')}</EmptyStateBody>
      </EmptyState>
    );
  }
  // Interfaces of containers often have the same name.
  const names = [...new Set(agent.interfaces.map((one) => one.name))];
  if (names.length === 0) {
    return (
      <EmptyState headingLevel="h2" icon={NetworkIcon} titleText={t('states.noInterfaces')}>
        <EmptyStateBody>{t('states.noInterfacesDo')}</EmptyStateBody>
      </EmptyState>
    );
  }
  const unrecorded = Object.values(agent.accounting?.unrecorded ?? {}).reduce(
    (sum, reason) => sum + reason.packets,
    0,
  );
  return (
    <EmptyState headingLevel="h2" icon={NetworkIcon} titleText={t('states.waiting')}>
      <EmptyStateBody>
        <p>{t('states.waitingHint', { count: agent.interfaces.length })}</p>
        <ul className="interface-list" aria-label={t('states.interfaces')}>
          {names.slice(0, NAMES_MAX).map((name) => (
            <li key={name} className="interface-name">
              {visible(name)}
            </li>
          ))}
          {names.length <= NAMES_MAX ? undefined : (
            <li>{t('states.moreInterfaces', { count: names.length - NAMES_MAX })}</li>
          )}
        </ul>
        <p>{t('states.waitingDo')}</p>
        {unrecorded === 0 ? undefined : (
          <p>{t('states.unrecorded', { packets: formatCount(unrecorded) })}</p>
        )}
      </EmptyStateBody>
    </EmptyState>
  );
}
