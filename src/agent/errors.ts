import { defineErrors } from '../base/errors.ts';

export const AGENT_ERRORS = defineErrors('ERR_AGENT', {
  option: {
    kind: 'usage',
    meaning: 'An option of the agent has a value that cannot work. The message names it.',
    remedy: 'Correct the option.',
  },
  unsupported: {
    kind: 'usage',
    meaning: 'An option asks for something that this version does not do.',
    remedy: 'Remove the option, or use the alternative in the message.',
  },
  load: {
    kind: 'unavailable',
    meaning:
      'The kernel refused the eBPF programs. The cause has the error number and the reason of ' +
      'the verifier.',
    remedy: 'Run "netobserv doctor"; it names the features that this kernel supports.',
  },
  layout: {
    kind: 'data',
    meaning: 'The maps of the eBPF object do not have the layout that this program expects.',
    remedy: 'Use the eBPF object of the same version as the program.',
  },
  pinned: {
    kind: 'unavailable',
    meaning: 'With EBPF_PROGRAM_MANAGER_MODE, a pinned map is missing.',
    remedy: 'Check BPFMAN_BPF_FS_PATH and that the program manager has loaded the programs.',
  },
  attach: {
    kind: 'unavailable',
    meaning:
      'An eBPF program could not be attached to an interface. The details name interface, ' +
      'direction and mode.',
    remedy: 'Read the cause; try another mode with TC_ATTACH_MODE, or exclude the interface.',
  },
  netlink: {
    kind: 'data',
    meaning: 'A netlink message contradicts its own lengths.',
    remedy: 'Please report it as a bug, with the version of the kernel.',
  },
  namespace: {
    kind: 'unavailable',
    meaning: 'A network namespace cannot be opened or its interfaces cannot be listed.',
    remedy: 'Check that the program has CAP_NET_ADMIN and, for other namespaces, CAP_SYS_ADMIN.',
  },
  watch: {
    kind: 'internal',
    meaning:
      'The thread that waits for messages of the kernel has ended. Without it, changes of ' +
      'interfaces and full maps would go unnoticed.',
    remedy: 'Start the program again, and please report it as a bug.',
  },
  address: {
    kind: 'unavailable',
    meaning: 'No address of this host fits AGENT_IP_IFACE and AGENT_IP_TYPE.',
    remedy: 'Set AGENT_IP, or name an interface that has an address of this type.',
  },
  elf: {
    kind: 'data',
    meaning:
      'A file that should be an executable or a library is not a 64-bit ELF file, or is cut short.',
    remedy: 'Correct the path, or install the library again.',
  },
  openssl: {
    kind: 'usage',
    meaning: 'Neither the file of OPENSSL_PATH nor a library that it needs contains OpenSSL.',
    remedy: 'Set OPENSSL_PATH to libssl.so or to an executable that uses it.',
  },
});
