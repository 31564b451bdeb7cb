import { Skeleton } from '@patternfly/react-core/dist/dynamic/components/Skeleton';
import ErrorIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import { type ReactNode, useId } from 'react';
import { useTranslation } from 'react-i18next';
import { RefusedError, ServerGoneError } from '../data/client.ts';

interface PanelProps {
  readonly title: ReactNode;
  readonly actions?: ReactNode;
  readonly className?: string;
  readonly children: ReactNode;
}

export function Panel({ title, actions, className, children }: PanelProps): ReactNode {
  const id = useId();
  return (
    <section className={`panel ${className ?? ''}`} aria-labelledby={id}>
      <header className="panel-head">
        <h2 id={id} className="panel-title">
          {title}
        </h2>
        {actions}
      </header>
      {children}
    </section>
  );
}

export interface Loadable<Data> {
  readonly data: Data | undefined;
  readonly error: Error | null;
  readonly isFetching: boolean;
  readonly refetch: () => unknown;
}

function isBusy(error: Error): boolean {
  return error instanceof RefusedError && error.retryAfterS !== undefined;
}

/** Why nothing is shown; undefined while data is shown, or may still come. */
function problemOf({ data, error, isFetching }: Omit<Loadable<unknown>, 'refetch'>) {
  if (error === null || isFilterRefusal(error)) return error ?? undefined;
  // A notice above the page says that the server is gone; the last received data stays.
  const isOld = error instanceof ServerGoneError && data !== undefined;
  return isFetching || isOld ? undefined : error;
}

/** True if `PanelBody` shows the data of this query. */
export function isShown(query: Omit<Loadable<unknown>, 'refetch'>): boolean {
  return query.data !== undefined && problemOf(query) === undefined;
}

function isFilterRefusal(error: Error): boolean {
  return error instanceof RefusedError && error.parameter === 'filters';
}

/** Content of a panel without data; a panel that fails does not affect the others. */
export function PanelBody<Data>(props: {
  readonly query: Loadable<Data>;
  readonly height: string;
  readonly children: (data: Data) => ReactNode;
}): ReactNode {
  const { t } = useTranslation();
  const { query } = props;
  const problem = problemOf(query);
  // The filter bar explains it once; the same text in every panel would only be noise.
  if (problem !== undefined && isFilterRefusal(problem)) {
    return <p className="panel-empty">{t('errors.filters')}</p>;
  }
  if (problem !== undefined) {
    return (
      <div className="panel-error" role="alert">
        <ErrorIcon aria-hidden="true" />
        <div>
          <p className="panel-error-title">
            {isBusy(problem) ? t('errors.busy') : t('errors.panel')}
          </p>
          <p>{problem.message}</p>
          <button type="button" className="link-button" onClick={() => query.refetch()}>
            {t('errors.retry')}
          </button>
        </div>
      </div>
    );
  }
  if (query.data === undefined) {
    return <Skeleton height={props.height} screenreaderText={t('states.loading')} />;
  }
  return props.children(query.data);
}
