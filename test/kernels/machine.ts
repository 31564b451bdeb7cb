import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Architecture, isForeign } from '../../scripts/architectures.ts';
import { type Kernel, kernelFolder, userlandFolder } from '../../scripts/kernels.ts';
import { ROOT } from '../support/source-tree.ts';

const MEMORY = '3G';

/** Prefix of commands: this checkout, and its own Node. */
export const IN_CHECKOUT = 'cd /share && export CI=true PATH=$PWD/node_modules/.bin:$PATH';

/** QEMU's program for an architecture, the machine it emulates, and the name of its serial line. */
interface Board {
  readonly program: string;
  readonly options: readonly string[];
  readonly serial: string;
  readonly emulatedCpu: string;
}

const BOARDS: Readonly<Record<Architecture['name'], Board>> = {
  x64: {
    program: 'qemu-system-x86_64',
    options: [],
    serial: 'ttyS0',
    emulatedCpu: 'max,la57=off',
  },
  arm64: {
    program: 'qemu-system-aarch64',
    options: ['-M', 'virt'],
    serial: 'ttyAMA0',
    // Pointer authentication takes half of the time if computed as specified.
    emulatedCpu: 'max,pauth-impdef=on',
  },
};

/** Without hardware support, code is emulated, 10 to 25 times slower. */
function accelerator(architecture: Architecture): readonly string[] {
  const modules = architecture.name === 'x64' ? ['kvm_intel', 'kvm_amd'] : ['kvm'];
  const real = modules.some((one) => existsSync(`/sys/module/${one}`));
  return !isForeign(architecture) && real && existsSync('/dev/kvm')
    ? ['-accel', 'kvm', '-cpu', 'host']
    : ['-accel', 'tcg,tb-size=512', '-cpu', BOARDS[architecture.name].emulatedCpu];
}

function folder(tag: string, path: string, access: 'ro' | 'rw'): readonly string[] {
  const readonly = access === 'ro' ? ',readonly=on' : '';
  const options = `local,id=${tag},path=${path},security_model=none,multidevs=remap${readonly}`;
  return ['-fsdev', options, '-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`];
}

export interface MachineRun {
  /** Exit status of the command; undefined if the machine did not finish. */
  readonly status: number | undefined;
  readonly output: string;
  /** Text of the serial console, if the machine did not start. */
  readonly console: string;
  /** A file that the command has left in /out. */
  file(name: string): string;
}

/**
 * Boots a kernel with this checkout as /share and runs a line of shell in it as root, without any
 * network device. Ends the machine if it takes longer than `limitMs`.
 */
export async function runInMachine(
  kernel: Kernel,
  command: string,
  limitMs: number,
): Promise<MachineRun & AsyncDisposable> {
  const out = mkdtempSync(join(tmpdir(), 'netobserv-machine-'));
  writeFileSync(join(out, 'command'), `${command}\n`);
  const files = kernelFolder(kernel);
  const board = BOARDS[kernel.architecture.name];
  const append = `console=${board.serial} quiet mitigations=off panic=-1`;
  const child = spawn(
    board.program,
    [
      ...board.options,
      ...['-nodefaults', '-no-reboot', '-display', 'none', '-smp', '1', '-m', MEMORY],
      ...accelerator(kernel.architecture),
      ...['-kernel', join(files, 'vmlinuz'), '-initrd', join(files, 'initramfs')],
      ...['-append', append, '-serial', `file:${join(out, 'console')}`],
      ...folder('root', userlandFolder(kernel.architecture), 'ro'),
      ...folder('modules', join(files, 'tree/usr/lib/modules'), 'ro'),
      ...folder('share', ROOT, 'ro'),
      ...folder('out', out, 'rw'),
    ],
    { stdio: ['ignore', 'ignore', 'inherit'], timeout: limitMs, killSignal: 'SIGKILL' },
  );
  await once(child, 'close');
  const read = (name: string): string =>
    existsSync(join(out, name)) ? readFileSync(join(out, name), 'utf8') : '';
  const status = read('status').trim();
  return {
    status: status === '' ? undefined : Number(status),
    output: read('output'),
    console: read('console'),
    file: read,
    async [Symbol.asyncDispose]() {
      rmSync(out, { recursive: true });
    },
  };
}

/** For the message of a test whose command should have succeeded. */
export function whyNot(run: MachineRun): string {
  return run.status === undefined ? `the machine did not end:\n${run.console}` : run.output;
}
