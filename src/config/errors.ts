/** Codes of configuration errors. */
export const ConfigError = {
  /** Wrong keys or values; `details.issues` has one entry for each. */
  invalid: 'ERR_CONFIG_INVALID',
  /** A configuration file cannot be read, or a text is not one document of YAML or JSON. */
  file: 'ERR_CONFIG_FILE',
} as const;
