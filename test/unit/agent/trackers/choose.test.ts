import { expect, test } from 'vitest';
import { featureNames, withFeatures } from '../../../../src/agent/trackers/choose.ts';
import { FEATURES } from '../../../../src/agent/trackers/table.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

test('a named feature is switched on, all others stay as they were', () => {
  const before = agentConfig({ SAMPLING: '7' });
  const after = withFeatures(before, ['rtt']);
  expect(after).toEqual({ ...before, enableRtt: true });
});

test('all switches on every feature that a name can', () => {
  const config = withFeatures(agentConfig(), ['all']);
  const on = FEATURES.filter((spec) => spec.isOn(config)).map(({ name }) => name);
  expect(on).toEqual(featureNames());
  expect(on).toContain('rtt');
});

test('what is on already keeps its mode', () => {
  const config = agentConfig({ ENABLE_RTT: 'true' });
  expect(withFeatures(config, ['rtt', 'all']).enableRtt).toBe(true);
  expect(withFeatures(config, [])).toEqual(config);
});

test('an unknown name is refused with what was probably meant', () => {
  expect(() => withFeatures(agentConfig(), ['rtts'])).toThrow(
    expect.objectContaining({
      code: 'ERR_AGENT_OPTION',
      message: expect.stringMatching(/no feature "rtts", did you mean rtt\? There are rtt/),
    }),
  );
});
