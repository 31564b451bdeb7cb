import { expect, test } from 'vitest';
import { hooksReadiness } from '../../../src/agent/readiness.ts';

const ALL_FINE = { wanted: 4, hooked: 4, leftOut: 0, namespacesLeftOut: 0 };

test('an agent that waits for interfaces is ready; one that gets no hook on them is not', () => {
  expect(hooksReadiness(ALL_FINE)).toEqual({ ok: true });
  expect(hooksReadiness({ ...ALL_FINE, wanted: 0, hooked: 0 })).toEqual({ ok: true });
  expect(hooksReadiness({ ...ALL_FINE, hooked: 0 })).toMatchObject({ ok: false });
});

test('what is left out is told, and no reason to end the agent', () => {
  const state = hooksReadiness({ ...ALL_FINE, leftOut: 7, namespacesLeftOut: 76 });
  expect(state).toEqual({
    ok: true,
    note: '76 network namespaces and 7 interfaces are left out: their users have too many',
  });
});
