/** Codes of configuration errors. */
export const ConfigError = {
  /** Values or keys that are wrong; `details.issues` has one entry for each. */
  invalid: 'ERR_CONFIG_INVALID',
  /** The configuration file cannot be read or is no YAML. */
  file: 'ERR_CONFIG_FILE',
} as const;
