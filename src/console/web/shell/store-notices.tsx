import {
  Alert,
  AlertActionCloseButton,
} from '@patternfly/react-core/dist/dynamic/components/Alert';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useStatus } from '../data/queries.ts';
import { visible } from '../format/visible.ts';
import { readDismissed, writeDismissed } from '../state/dismissed.ts';

/** The health dialog shows the others: notices must not push the page away. */
const SHOWN_MAX = 3;

/** Data that the store has set aside, could not write, or doubts; and whether it is down. */
export function StoreNotices(): ReactNode {
  const store = useStatus().data?.store;
  if (store === undefined) return undefined;
  return (
    <>
      {/* Without flows, the page shows the error in their place. */}
      {store.isReady || store.rows === 0 ? undefined : <StoreDown error={store.error} />}
      <Warnings warnings={store.warnings ?? []} />
    </>
  );
}

function StoreDown({ error }: { readonly error: string }): ReactNode {
  const { t } = useTranslation();
  return (
    <Alert isInline className="store-notice" variant="danger" title={t('store.down')}>
      {visible(error)}
    </Alert>
  );
}

function Warnings({ warnings }: { readonly warnings: readonly string[] }): ReactNode {
  const { t } = useTranslation();
  const [dismissed, setDismissed] = useState(readDismissed);
  const wanted = warnings.filter((warning) => !dismissed.includes(warning));
  if (wanted.length === 0) return undefined;
  const shown = wanted.slice(0, SHOWN_MAX);
  const dismiss = (): void => {
    // Forgets dismissed warnings that are over, so that they show when they come again.
    writeDismissed(warnings);
    setDismissed(warnings);
  };
  return (
    <Alert
      isInline
      className="store-notice"
      variant="warning"
      title={t('store.warnings', { count: wanted.length })}
      actionClose={<AlertActionCloseButton aria-label={t('store.dismiss')} onClose={dismiss} />}
    >
      <ul>
        {shown.map((warning) => (
          <li key={warning}>{visible(warning)}</li>
        ))}
        {wanted.length > shown.length ? (
          <li>{t('store.more', { count: wanted.length - shown.length })}</li>
        ) : undefined}
      </ul>
    </Alert>
  );
}
