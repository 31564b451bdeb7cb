import { expect, test } from 'vitest';
import { LinkMonitor } from '../../../../src/agent/interfaces/link-monitor.ts';
import { SocketHub } from '../../../../src/agent/interfaces/socket-hub.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import {
  addressMessage,
  doneMessage,
  errorMessage,
  linkMessage,
} from '../../../support/kernel/netlink-messages.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const EBUSY = 16;
const UNREADABLE = linkMessage({ index: 1, name: 'lo', type: 1, up: true }).subarray(0, 20);

/** A kernel whose dump answers come from the test. */
class SilentKernel extends FakeKernel {
  readonly requests: { readonly sequence: number; readonly type: number }[] = [];

  override send(_fd: number, message: Uint8Array): void {
    const view = new DataView(message.buffer);
    this.requests.push({ sequence: view.getUint32(8, true), type: view.getUint16(4, true) });
  }

  get sequence(): number {
    return this.requests.at(-1)?.sequence ?? -1;
  }
}

function setup(addresses = false) {
  const kernel = new SilentKernel();
  const clock = new ManualClock();
  const losses: string[] = [];
  const peers: number[] = [];
  const monitor: LinkMonitor = new LinkMonitor({
    native: kernel,
    clock,
    hub: new SocketHub(kernel, (error) => expect.fail(error.message)),
    netns: undefined,
    watch: true,
    addresses,
    onChange: () => undefined,
    onPeer: () => peers.push(monitor.links.size),
    onLoss: (why) => losses.push(why),
    onRefused: () => undefined,
  });
  const names = (): string[] => [...monitor.links.values()].map((link) => link.name);
  const tell = (index: number, name: string, sequence?: number): void => {
    kernel.notify(
      linkMessage({ index, name, type: 1, up: true, ...(sequence ? { sequence } : {}) }),
    );
  };
  return { kernel, clock, monitor, losses, peers, names, tell };
}

test('is ready when the dump has ended, with notifications in between applied', async () => {
  const { kernel, monitor, names, tell } = setup();
  const opened = monitor.open();
  tell(1, 'lo', kernel.sequence);
  tell(3, 'late');
  tell(2, 'eth0', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  await opened;
  expect(names()).toEqual(['lo', 'late', 'eth0']);
});

test('an interrupted dump is repeated', async () => {
  const { kernel, monitor, names, tell } = setup();
  const opened = monitor.open();
  tell(1, 'lo', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence, true));
  expect(kernel.requests).toHaveLength(2);
  tell(1, 'lo', kernel.sequence);
  tell(2, 'eth0', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  await opened;
  expect(names()).toEqual(['lo', 'eth0']);
});

test('dumps that are interrupted without end are taken at last', async () => {
  const { kernel, monitor, names, tell } = setup();
  const opened = monitor.open();
  for (let round = 0; round < 8; round++) {
    tell(1, 'lo', kernel.sequence);
    kernel.notify(doneMessage(kernel.sequence, true));
  }
  await opened;
  expect(names()).toEqual(['lo']);
  expect(kernel.requests).toHaveLength(8);
});

test('lost messages: everything is read anew and what is gone is noticed', async () => {
  const { kernel, monitor, losses, names, tell } = setup();
  const opened = monitor.open();
  tell(1, 'lo', kernel.sequence);
  tell(2, 'eth0', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  await opened;

  kernel.notify(new Uint8Array(0));
  expect(losses).toEqual(['overrun']);
  tell(1, 'lo', kernel.sequence);
  tell(3, 'eth1', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  expect(names()).toEqual(['lo', 'eth1']);
});

test('messages lost during a dump: the next one follows when it has ended', async () => {
  const { kernel, monitor, losses, names, tell } = setup();
  const opened = monitor.open();
  tell(1, 'lo', kernel.sequence);
  tell(2, 'ghost', kernel.sequence);
  kernel.notify(new Uint8Array(0));
  expect(losses).toEqual(['overrun']);
  // The kernel would refuse a second dump.
  expect(kernel.requests).toHaveLength(1);
  kernel.notify(doneMessage(kernel.sequence));
  await opened;
  expect(kernel.requests).toHaveLength(2);
  tell(1, 'lo', kernel.sequence);
  tell(3, 'eth1', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  expect(names()).toEqual(['lo', 'eth1']);
  expect(kernel.requests).toHaveLength(2);
});

test.each(['the first', 'a later'])(
  '%s dump refused since one is under way follows it',
  async (which) => {
    const { kernel, monitor, names, tell } = setup();
    const opened = monitor.open();
    tell(1, 'lo', kernel.sequence);
    if (which === 'a later') {
      kernel.notify(doneMessage(kernel.sequence));
      await opened;
      monitor.refresh();
    }
    const old = kernel.sequence;
    kernel.notify(UNREADABLE);
    kernel.notify(errorMessage(kernel.sequence, EBUSY));
    tell(2, 'eth0');
    const before = kernel.requests.length;
    kernel.notify(doneMessage(old));
    expect(kernel.requests).toHaveLength(before + 1);
    tell(2, 'eth0', kernel.sequence);
    tell(3, 'eth1', kernel.sequence);
    kernel.notify(doneMessage(kernel.sequence));
    await opened;
    expect(names()).toEqual(['eth0', 'eth1']);
    expect(kernel.requests).toHaveLength(before + 1);
  },
);

test('what still comes of a dump begun anew is not believed', async () => {
  const { kernel, monitor, names, tell } = setup();
  const opened = monitor.open();
  const old = kernel.sequence;
  kernel.notify(UNREADABLE);
  tell(9, 'ghost', old);
  kernel.notify(doneMessage(old));
  tell(1, 'lo', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  await opened;
  expect(names()).toEqual(['lo']);
});

test('a message that cannot be read counts as lost', async () => {
  const { kernel, monitor, losses } = setup();
  void monitor.open().catch(() => undefined);
  kernel.notify(UNREADABLE);
  expect(losses).toEqual(['malformed']);
  expect(kernel.requests).toHaveLength(2);
});

test('addresses are read after links, come and go', async () => {
  const { kernel, monitor, tell } = setup(true);
  const opened = monitor.open();
  tell(2, 'eth0', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  expect(kernel.requests.map(({ type }) => type)).toEqual([18, 22]);
  const { sequence } = kernel;
  kernel.notify(addressMessage({ index: 2, local: [10, 0, 0, 1], sequence }));
  kernel.notify(doneMessage(sequence));
  await opened;
  const lasts = (): number[] => monitor.links.get(2)!.addresses.map((bytes) => bytes[15]!);
  expect(lasts()).toEqual([1]);
  // A notification carries the sequence number of the request that made the change.
  kernel.notify(addressMessage({ index: 2, local: [10, 0, 0, 2], causedBy: 1_700_000_000 }));
  expect(lasts()).toEqual([1, 2]);
  kernel.notify(addressMessage({ index: 2, local: [10, 0, 0, 1], gone: true }));
  expect(lasts()).toEqual([2]);
});

test('the other end of a pair is told of when it is in another namespace, or no longer', async () => {
  const { kernel, monitor, peers } = setup();
  const opened = monitor.open();
  kernel.notify(doneMessage(kernel.sequence));
  await opened;
  const veth = { index: 5, name: 'veth5', type: 1, up: true } as const;
  kernel.notify(linkMessage(veth));
  expect(peers).toHaveLength(0);
  kernel.notify(linkMessage({ ...veth, peer: 0 }));
  kernel.notify(linkMessage({ ...veth, peer: 0, up: false }));
  expect(peers).toHaveLength(1);
  kernel.notify(linkMessage({ ...veth, peer: 3 }));
  kernel.notify(linkMessage({ ...veth, gone: true }));
  expect(peers).toHaveLength(3);
  kernel.notify(linkMessage(veth));
  kernel.notify(linkMessage({ ...veth, gone: true }));
  expect(peers).toHaveLength(3);
});

test('closing ends the wait for the first dump and closes the socket', async () => {
  const { kernel, monitor } = setup();
  const opened = monitor.open();
  monitor.close();
  await expect(opened).rejects.toMatchObject({ code: 'ERR_AGENT_NAMESPACE' });
  expect(kernel.openFds.size).toBe(0);
  monitor.close();
});

test('news that come in floods are not read one by one, and nothing is missed', async () => {
  const { kernel, clock, monitor, losses, names, tell } = setup();
  const opened = monitor.open();
  kernel.notify(doneMessage(kernel.sequence));
  await opened;
  for (let count = 0; count < 8000; count++) tell(1, `name${count}`);
  expect(names()).toEqual(['name4999']);
  expect([losses, kernel.requests.length]).toEqual([['flood'], 1]);
  // Lost messages do not cause a full reread before that, either.
  for (let count = 0; count < 100; count++) kernel.notify(new Uint8Array(0));
  expect([losses, kernel.requests.length]).toEqual([['flood'], 1]);

  await clock.advance(1000);
  expect(kernel.requests).toHaveLength(2);
  tell(1, 'present', kernel.sequence);
  kernel.notify(doneMessage(kernel.sequence));
  expect(names()).toEqual(['present']);
  tell(1, 'next');
  expect(names()).toEqual(['next']);
});

test('everything is not read all the time because messages are lost all the time', async () => {
  const { kernel, clock, monitor } = setup();
  void monitor.open();
  for (let ms = 0; ms < 10_000; ms += 10) {
    kernel.notify(doneMessage(kernel.sequence));
    kernel.notify(new Uint8Array(0));
    await clock.advance(10);
  }
  expect(kernel.requests.length).toBeLessThan(60);
  monitor.close();
  expect(clock.waiting).toBe(0);
});
