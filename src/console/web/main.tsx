import '@patternfly/react-core/dist/styles/base.css';
import './styles/app.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { I18nextProvider } from 'react-i18next';
import { App } from './app.tsx';
import { isWorthRetrying, retryDelayMs } from './data/retry.ts';
import { createI18n } from './i18n/init.ts';
import { whenVisible } from './parts/use-visible.ts';
import { createPreferenceStore, PreferenceContext } from './state/preferences.ts';
import { createViewStore, ViewContext } from './state/view.ts';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // When a server that was gone is back, the heartbeat notices it, and all queries run again.
      retry: isWorthRetrying,
      retryDelay: (failures, error) => retryDelayMs(failures, error, Math.random),
      // Loopback works without a network.
      networkMode: 'always',
      refetchOnWindowFocus: false,
      staleTime: 1000,
    },
  },
});

function render(): void {
  createRoot(document.getElementById('root')!).render(
    <StrictMode>
      <I18nextProvider i18n={createI18n()}>
        <PreferenceContext value={createPreferenceStore()}>
          <ViewContext value={createViewStore(window)}>
            <QueryClientProvider client={queries}>
              <App />
            </QueryClientProvider>
          </ViewContext>
        </PreferenceContext>
      </I18nextProvider>
    </StrictMode>,
  );
}

// A tab that was opened in the background and is closed unseen has requested nothing.
void whenVisible().then(render);
