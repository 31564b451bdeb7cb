import { expect, test } from 'vitest';
import { config as layout } from '../../../../src/agent/drain/layout.gen.ts';
import { waysOf } from '../../../../src/agent/features/feature.ts';
import { flowMapEntries, loadDatapath } from '../../../../src/agent/loader/object.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

function load(kernel: FakeKernel, env: Readonly<Record<string, string>> = {}) {
  return loadDatapath(kernel, new Uint8Array(0), agentConfig(env));
}

function knob(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer).getUint32(offset, true);
}

test('sizes and knobs follow the configuration', () => {
  const kernel = new FakeKernel();
  load(kernel, { CACHE_MAX_FLOWS: '20000', SAMPLING: '50', DIRECTION: 'egress' });
  const [options] = kernel.loads;
  // Each CPU reserves up to 128 free entries of such a map.
  const room = 256 * kernel.possibleCpus();
  const [fragments, shares] = [4096 + room, 2048 + room];
  expect(options?.maxEntries).toEqual({
    ...{ flows_a: 20_000, flows_b: 20_000 },
    ...{ fragments, busy_fragments: fragments },
    ...{ shares, side_shares: shares },
  });
  expect(options?.programs).toEqual(['flow_egress_l2', 'flow_egress_l3', 'hook_check']);
  expect(knob(options!.config, layout.sampling)).toBe(50);
  const wakeEntries = knob(options!.config, layout.wakeEntries);
  expect(wakeEntries).toBeGreaterThan(0);
  expect(wakeEntries).toBeLessThan(20_000);
  expect(options?.config[layout.hasNetnsCookie]).toBe(1);
  expect(options?.config[layout.watchedOnly]).toBe(1);
});

test('small maps have room for what comes while they are emptied', () => {
  expect([16, 64, 1000, 5000, 10_000, 10_001].map(flowMapEntries)).toEqual([
    ...[160, 640, 10_000, 10_000, 10_000, 10_001],
  ]);
});

test('a kernel that does not tell namespaces gets programs that do not ask', () => {
  const kernel = new FakeKernel();
  kernel.refuse.load = ({ config }) =>
    config[layout.hasNetnsCookie] === 1
      ? { code: 'EINVAL', verifierLog: 'unknown func' }
      : undefined;
  expect(load(kernel).knowsNamespaces).toBe(false);
  expect(kernel.loads[0]?.config[layout.hasNetnsCookie]).toBe(0);
});

test('where a way loads and cannot be attached, the next one is taken', () => {
  const kernel = new FakeKernel();
  kernel.refuse.load = ({ config }) =>
    config[layout.hasNetnsCookie] === 1 ? { code: 'EINVAL' } : undefined;
  kernel.refuse.attachProbe = ({ program }) =>
    program.endsWith('_kprobe') ? undefined : { code: 'EINVAL' };
  const { features, refused } = load(kernel, { ENABLE_IPSEC_TRACKING: 'true' });
  expect(refused).toEqual([]);
  expect(features).toHaveLength(1);
  for (const { program } of features[0]!.probes) expect(program).toMatch(/_kprobe$/);
  const opened = kernel.calls.filter((call) => call === 'load').length;
  expect(kernel.calls.filter((call) => call === 'close')).toHaveLength(opened - 1);
});

test('for a refused program that the log names, hooks are not loaded again and again', () => {
  const kernel = new FakeKernel();
  // No way of IPsec works here, and drops have no receiver.
  const isRefused = (program: string) => /^ipsec_|^drops_kfree_skb$/.test(program);
  let attempts = 0;
  kernel.refuse.load = ({ programs }) => {
    attempts++;
    const program = programs.find(isRefused);
    if (program === undefined) return undefined;
    return { code: 'EINVAL', verifierLog: `libbpf: prog '${program}': BPF program load failed\n` };
  };

  const env = {
    ...{ ENABLE_IPSEC_TRACKING: 'true', ENABLE_PKT_DROPS: 'true', ENABLE_RTT: 'true' },
  };
  const { features, refused } = load(kernel, env);

  expect(features.map(({ spec }) => spec.name)).toEqual(['rtt', 'drops']);
  expect(features[1]!.probes).toEqual([{ program: 'drops_kfree_skb_reason' }]);
  expect(refused.map(({ spec }) => spec.name)).toEqual(['ipsec']);
  expect(refused[0]!.cause).toMatchObject({ code: 'EINVAL' });
  // Ways after the first are tried alone, and without the hooks.
  const ways = waysOf(refused[0]!.spec, agentConfig(env)).length;
  const [all, ofDrops, ofIpsec] = [3, 1, ways - 1];
  expect(attempts).toBe(all + ofDrops + ofIpsec);
  const hooks = kernel.loads.filter(({ programs }) => programs.includes('flow_ingress_l2'));
  expect(hooks).toHaveLength(1);
});

test.each([
  ['EPERM', /capabilities BPF, PERFMON and NET_ADMIN/],
  ['EINVAL', /BTF/],
  ['EMFILE', /ulimit -n\) is too low$/],
  ['ENFILE', /fs\.file-max\) is too low$/],
  ['ENOMEM', /too little memory/],
])('a refusal with %s says what to do', (code, message) => {
  const kernel = new FakeKernel();
  kernel.refuse.load = () => ({ code });
  expect(() => load(kernel)).toThrow(
    expect.objectContaining({ code: 'ERR_AGENT_LOAD', message: expect.stringMatching(message) }),
  );
});

test('an object of another build is refused and let go', () => {
  const kernel = new FakeKernel();
  kernel.valueSize = 8;
  expect(() => load(kernel)).toThrow(
    expect.objectContaining({
      code: 'ERR_AGENT_LAYOUT',
      message: expect.stringContaining('map flows_a has keys of 40 and values of 8 bytes'),
    }),
  );
  expect(kernel.calls).toEqual(['load', 'close']);
});
