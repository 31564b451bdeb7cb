import { Button } from '@patternfly/react-core/dist/dynamic/components/Button';
import { useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { login, UnauthorizedError } from '../data/client.ts';
import { Logo } from './logo.tsx';

/** Requests the token and trades it for a session. */
export default function LoginForm(): ReactNode {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState('');

  async function submit(event: FormEvent): Promise<void> {
    event.preventDefault();
    try {
      await login(token.trim());
      await client.resetQueries();
    } catch (error) {
      setProblem(
        error instanceof UnauthorizedError
          ? t('login.wrong')
          : error instanceof Error
            ? error.message
            : String(error),
      );
    }
  }

  return (
    <main className="login">
      <form className="panel login-form" onSubmit={(event) => void submit(event)}>
        <Logo />
        <h1 className="login-title">{t('login.title')}</h1>
        <p>{t('login.hint')}</p>
        <label className="labelled">
          <span>{t('login.token')}</span>
          <input
            className="text-input"
            type="password"
            autoComplete="current-password"
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        </label>
        <p className="field-error" role="alert">
          {problem}
        </p>
        <Button type="submit" isBlock isDisabled={token.trim() === ''}>
          {t('login.submit')}
        </Button>
      </form>
    </main>
  );
}
