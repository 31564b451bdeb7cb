/** Codes of this folder. */
export const AGENT_ERRORS = {
  /** An option's value cannot work; `details.variable` names it. */
  option: 'ERR_AGENT_OPTION',
  /** An option asks for something that this version does not do. */
  unsupported: 'ERR_AGENT_UNSUPPORTED',
  /** The kernel refused the datapath; the cause carries the errno and what the verifier said. */
  load: 'ERR_AGENT_LOAD',
  /** The object's maps are not laid out as this program expects. */
  layout: 'ERR_AGENT_LAYOUT',
  /** EBPF_PROGRAM_MANAGER_MODE: a map is not where it should be; `details.map` names it. */
  pinned: 'ERR_AGENT_PINNED',
  /** A hook could not be attached; `details` has the interface, direction and mode. */
  attach: 'ERR_AGENT_ATTACH',
  /** A netlink message contradicts its own lengths. */
  netlink: 'ERR_AGENT_NETLINK',
  /** The host's network namespace cannot be watched. */
  namespace: 'ERR_AGENT_NAMESPACE',
  /** No address of this host fits AGENT_IP_IFACE and AGENT_IP_TYPE. */
  address: 'ERR_AGENT_ADDRESS',
  /** A file that should be an executable or a library is neither. */
  elf: 'ERR_AGENT_ELF',
  /** Neither OPENSSL_PATH nor the libraries that it needs have OpenSSL in them. */
  openssl: 'ERR_AGENT_OPENSSL',
} as const;
