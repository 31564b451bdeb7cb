import { expect, test } from 'vitest';
import { shortName, workloadOf } from '../../../../src/agent/workloads/workload.ts';

const ID = '4c01db0b339c'.padEnd(64, 'a7');

test.each([
  ['Docker', `/system.slice/docker-${ID}.scope`, 'docker'],
  ['Docker without systemd', `/docker/${ID}`, 'docker'],
  ['containerd', `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${ID}.scope`, 'containerd'],
  ['nerdctl', `/system.slice/nerdctl-${ID}.scope`, 'containerd'],
  ['CRI-O', `/kubepods.slice/crio-${ID}.scope/container`, 'cri-o'],
  ['kubepods without systemd', `/kubepods/burstable/pod1/${ID}`, 'container'],
  ['Podman', `/machine.slice/libpod-${ID}.scope/container`, 'podman'],
  ['Podman of a user', `/user.slice/user@1000.service/user.slice/libpod-${ID}.scope`, 'podman'],
  ['Podman without systemd', `/libpod_parent/libpod-${ID}`, 'podman'],
  ['one in another one', `/docker/${'0'.repeat(64)}/system.slice/libpod-${ID}.scope`, 'podman'],
])('a container of %s', (_what, path, runtime) => {
  const workload = workloadOf(path);
  expect(workload).toEqual({ kind: 'container', id: ID, runtime });
  expect(workload?.kind === 'container' && shortName(workload)).toBe(`${runtime} 4c01db0b339c`);
});

/** Paths as systemd and desktops make them. */
test.each([
  ['/system.slice/nginx.service', 'nginx.service'],
  [
    '/system.slice/system-postgresql.slice/postgresql@15-main.service',
    'postgresql@15-main.service',
  ],
  ['/system.slice/ssh.service/sub', 'ssh.service'],
  ['/user.slice/user-1000.slice/session-3.scope', 'session-3.scope'],
  [
    '/user.slice/user@1000.service/app.slice/app-gnome-firefox-4711.scope',
    'app-gnome-firefox.scope',
  ],
  [
    '/user.slice/user@1000.service/app.slice/app-org.kde.konsole@0f3c99.service',
    'app-org.kde.konsole.service',
  ],
  [
    '/user.slice/user@1000.service/snap.firefox.firefox-1b4e28ba-2fa1-11d2-883f-0016d3cca427.scope',
    'snap.firefox.firefox.scope',
  ],
  ['/machine.slice/machine-qemu\\x2d1\\x2dvm.scope', 'machine-qemu-1-vm.scope'],
  [`/docker/${ID.slice(1)}/cron.service`, 'cron.service'],
])('a unit of systemd: %s', (path, name) => {
  expect(workloadOf(path)).toEqual({ kind: 'unit', name });
});

test.each(['', '/', '/user.slice', `/docker/${ID.slice(1)}`, `/docker/${ID}0`])(
  'nobody: %j',
  (path) => expect(workloadOf(path)).toBeUndefined(),
);
