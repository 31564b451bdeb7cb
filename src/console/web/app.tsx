import { Button } from '@patternfly/react-core/dist/dynamic/components/Button';
import {
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
} from '@patternfly/react-core/dist/dynamic/components/EmptyState';
import { Spinner } from '@patternfly/react-core/dist/dynamic/components/Spinner';
import { lazy, type ReactNode, Suspense } from 'react';
import { useTranslation } from 'react-i18next';
import type { FrontendConfig } from '../api.ts';
import { UnauthorizedError } from './data/client.ts';
import { LiveContext, useLiveSource } from './data/live.ts';
import { useFrontendConfig, useStatus } from './data/queries.ts';
import { FilterBar } from './filters/filter-bar.tsx';
import { ErrorBoundary } from './shell/error-boundary.tsx';
import { Masthead } from './shell/masthead.tsx';
import { Notices } from './shell/notices.tsx';
import { useThemeClass } from './state/theme.ts';
import { TimesContext, useChosenTimes } from './state/times.ts';
import { useView } from './state/view.ts';
import { effectiveRefresh } from './state/view-state.ts';

const OverviewPage = lazy(() =>
  import('./overview/overview-page.tsx').then((module) => ({ default: module.OverviewPage })),
);
const FlowsPage = lazy(() => import('./flows/flows-page.tsx'));
const LoginForm = lazy(() => import('./shell/login-form.tsx'));

export function App(): ReactNode {
  useThemeClass();
  const [view] = useView();
  const config = useFrontendConfig();
  const status = useStatus();
  const locked = [config.error, status.error].some((error) => error instanceof UnauthorizedError);
  const live = useLiveSource(effectiveRefresh(view), locked);
  const times = useChosenTimes(config.data);

  if (locked) {
    return (
      <Suspense>
        <LoginForm />
      </Suspense>
    );
  }
  return (
    <LiveContext value={live}>
      <TimesContext value={times}>
        <ErrorBoundary fallback={(error) => <Broken error={error} />}>
          <a className="skip-link" href="#main">
            <SkipText />
          </a>
          <Masthead />
          <Notices />
          {config.data === undefined ? (
            <Starting error={config.error} retry={() => void config.refetch()} />
          ) : (
            <Content config={config.data} />
          )}
        </ErrorBoundary>
      </TimesContext>
    </LiveContext>
  );
}

function SkipText(): ReactNode {
  const { t } = useTranslation();
  return t('skip');
}

function Content({ config }: { readonly config: FrontendConfig }): ReactNode {
  const { t } = useTranslation();
  const [view] = useView();
  return (
    <main id="main" className={`content content-${view.tab}`} tabIndex={-1}>
      <h1 className="visually-hidden">{t(`tabs.${view.tab}`)}</h1>
      <FilterBar config={config} />
      <Suspense fallback={<Loading />}>
        {view.tab === 'overview' ? <OverviewPage config={config} /> : <FlowsPage config={config} />}
      </Suspense>
    </main>
  );
}

function Loading(): ReactNode {
  const { t } = useTranslation();
  return (
    <div className="loading">
      <Spinner size="lg" aria-label={t('states.loading')} />
    </div>
  );
}

function Starting(props: { readonly error: Error | null; readonly retry: () => void }): ReactNode {
  const { t } = useTranslation();
  if (props.error === null) return <Loading />;
  return (
    <main id="main" className="content">
      <EmptyState headingLevel="h1" status="danger" titleText={t('errors.config')}>
        <EmptyStateBody>{props.error.message}</EmptyStateBody>
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button onClick={props.retry}>{t('errors.retry')}</Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      </EmptyState>
    </main>
  );
}

function Broken({ error }: { readonly error: Error }): ReactNode {
  const { t } = useTranslation();
  return (
    <main id="main" className="content">
      <EmptyState headingLevel="h1" status="danger" titleText={t('errors.broken')}>
        <EmptyStateBody>
          <p>{t('errors.brokenHint')}</p>
          <p>{error.message}</p>
        </EmptyStateBody>
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button onClick={() => window.location.reload()}>{t('errors.reload')}</Button>
            <Button variant="link" onClick={() => window.location.assign('?')}>
              {t('errors.reset')}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      </EmptyState>
    </main>
  );
}
