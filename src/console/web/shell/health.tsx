import HeartbeatIcon from '@patternfly/react-icons/dist/esm/icons/heartbeat-icon';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useStatus } from '../data/queries.ts';
import { IconButton } from '../parts/icon-button.tsx';
import { countConcerns } from './health-facts.ts';

const HealthDialog = lazy(() => import('./health-dialog.tsx'));

/** Whether agent and store fully work as configured; a click shows the details. */
export function Health(): ReactNode {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  const status = useStatus().data;
  if (status?.agent.isEnabled !== true) return undefined;
  const concerns = countConcerns(status);
  return (
    <>
      <IconButton
        className="health"
        label={concerns === 0 ? t('health.well') : t('health.concerns', { count: concerns })}
        onClick={() => setOpen(true)}
      >
        <HeartbeatIcon />
        {concerns === 0 ? undefined : <span className="health-mark" aria-hidden="true" />}
      </IconButton>
      {open ? (
        <Suspense>
          <HealthDialog status={status} onClose={() => setOpen(false)} />
        </Suspense>
      ) : undefined}
    </>
  );
}
