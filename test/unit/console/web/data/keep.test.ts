import { expect, test } from 'vitest';
import { keep, questionOf } from '../../../../../src/console/web/data/keep.ts';
import { DEFAULT_VIEW } from '../../../../../src/console/web/state/view-state.ts';

const answer = (data: string | undefined, question = 'q', isStandIn = false) => ({
  question,
  data,
  isStandIn,
});

test('what somebody reads stays until he lets go of it', () => {
  const old = answer('old');
  const latest = answer('new');
  expect(keep(old, latest, true)).toBe(old);
  expect(keep(old, latest, false)).toBe(latest);
});

test('another question is answered at once, also when its answer comes late', () => {
  const old = answer('old');
  const standIn = answer('old', 'other', true);
  const latest = answer('new', 'other');
  expect(keep(old, standIn, true)).toBe(standIn);
  expect(keep(standIn, latest, true)).toBe(latest);
  expect(keep(old, latest, true)).toBe(latest);
});

test('there is nothing to keep before the first answer', () => {
  const latest = answer('new');
  expect(keep(undefined, latest, true)).toBe(latest);
  expect(keep(answer(undefined), latest, true)).toBe(latest);
});

test('order, columns and refresh ask nothing new; filters and times do', () => {
  const question = questionOf(DEFAULT_VIEW);
  const sort = { column: 'Bytes', descending: false };
  const same = { ...DEFAULT_VIEW, sort, columns: ['Bytes'], refresh: 'off' as const };
  expect(questionOf(same)).toBe(question);
  const filters = [{ id: 'port', operator: '<' as const, values: ['1'], disabled: false }];
  expect(questionOf({ ...DEFAULT_VIEW, filters })).not.toBe(question);
  expect(questionOf({ ...DEFAULT_VIEW, limit: 100 })).not.toBe(question);
});
