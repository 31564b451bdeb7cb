import { expect, test } from 'vitest';
import { hooksReadiness } from '../../../src/agent/readiness.ts';

const NOBODY = { lost: 0, failed: 0, leftOut: 0, namespacesLeftOut: 0, company: undefined };
const ALL_FINE = { wanted: 4, hooked: 4, ...NOBODY };

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

test('a hook that somebody has removed is missed until it is back', () => {
  expect(hooksReadiness({ ...ALL_FINE, lost: 1 })).toMatchObject({ ok: false });
});

test('a hook that could not be put on is told', () => {
  const state = hooksReadiness({ ...ALL_FINE, hooked: 3, failed: 1 });
  expect(state).toEqual({ ok: true, note: expect.stringContaining('hooks of 1 interfaces') });
});

test('others at the hooks are told beside what is left out', () => {
  const state = hooksReadiness({ ...ALL_FINE, leftOut: 1, company: 'cil_from_container on eth0' });
  expect(state).toEqual({
    ok: true,
    note: expect.stringMatching(/^0 network .* too many; cil_from_container on eth0$/),
  });
});
