import { useMutation, useMutationState, useQueryClient } from '@tanstack/react-query';
import { logout } from './client.ts';

const LOGOUT_KEY = ['logout'];

/** Ends the session here and on the server; the page then requests the token again. */
export function useLogout(): () => void {
  const client = useQueryClient();
  const { mutate } = useMutation({
    mutationKey: LOGOUT_KEY,
    mutationFn: logout,
    networkMode: 'always',
    // Removes all data from the page.
    onSuccess: () => client.resetQueries(),
  });
  return () => mutate();
}

/** Why the last attempt to log out failed. */
export function useLogoutProblem(): Error | undefined {
  const errors = useMutationState({
    filters: { mutationKey: LOGOUT_KEY },
    select: (mutation) => mutation.state.error,
  });
  return errors.at(-1) ?? undefined;
}
