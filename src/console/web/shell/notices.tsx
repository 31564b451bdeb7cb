import { Alert } from '@patternfly/react-core/dist/dynamic/components/Alert';
import { Button } from '@patternfly/react-core/dist/dynamic/components/Button';
import { useIsFetching, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ServerGoneError } from '../data/client.ts';
import { FLOWS_KEY, useFrontendConfig, useStatus } from '../data/queries.ts';
import { useLogoutProblem } from '../data/session.ts';
import { StoreNotices } from './store-notices.tsx';

/** Notices above the page about the state of the server. */
export function Notices(): ReactNode {
  return (
    <div className="notices" aria-live="polite">
      <ServerGone />
      <StoreNotices />
      <SlowQuery />
      <StillSignedIn />
    </div>
  );
}

function StillSignedIn(): ReactNode {
  const { t } = useTranslation();
  const problem = useLogoutProblem();
  if (problem === undefined) return undefined;
  return (
    <Alert isInline variant="danger" title={t('errors.logout')}>
      {problem.message}
    </Alert>
  );
}

function ServerGone(): ReactNode {
  const { t } = useTranslation();
  const client = useQueryClient();
  const status = useStatus();
  const gone = status.error instanceof ServerGoneError;
  const hasShown = useFrontendConfig().data !== undefined;
  const wasGone = useRef(false);

  // Failed queries run again as soon as the server is back.
  useEffect(() => {
    if (wasGone.current && !gone) void client.invalidateQueries();
    wasGone.current = gone;
  }, [client, gone]);

  if (!gone) return undefined;
  return (
    <Alert
      isInline
      variant="danger"
      title={t('errors.gone')}
      actionLinks={
        <Button variant="link" isInline onClick={() => void status.refetch()}>
          {t('errors.retry')}
        </Button>
      }
    >
      {hasShown ? `${t('errors.goneShown')} ` : ''}
      {t('errors.goneRetry')}
    </Alert>
  );
}

/** After this time a person begins to wonder. */
const SLOW_MS = 4000;

function SlowQuery(): ReactNode {
  const { t } = useTranslation();
  const client = useQueryClient();
  const fetching = useIsFetching({ queryKey: [FLOWS_KEY] }) > 0;
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    if (!fetching) return;
    const timer = setTimeout(() => setSlow(true), SLOW_MS);
    return () => {
      clearTimeout(timer);
      setSlow(false);
    };
  }, [fetching]);
  if (!slow) return undefined;
  return (
    <Alert
      isInline
      variant="info"
      title={t('errors.slow')}
      actionLinks={
        <Button
          variant="link"
          isInline
          onClick={() => void client.cancelQueries({ queryKey: [FLOWS_KEY] })}
        >
          {t('errors.cancel')}
        </Button>
      }
    />
  );
}
