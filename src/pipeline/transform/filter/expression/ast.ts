/** Conditions on flows: the query language of `keep_entry_query`. */
export type Expression =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Expression[] }
  | { readonly kind: 'not'; readonly term: Expression }
  | { readonly kind: 'with'; readonly field: string; readonly isPresent: boolean }
  | {
      readonly kind: 'compare';
      readonly field: string;
      readonly operator: Operator;
      readonly operand: Operand;
      /** Where the operand is in the text, for messages. */
      readonly at: number;
    }
  | { readonly kind: 'in'; readonly field: string; readonly values: readonly (string | number)[] };

export const OPERATORS = ['=', '!=', '=~', '!~', '>', '<', '>=', '<='] as const;
export type Operator = (typeof OPERATORS)[number];

export type Operand =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'field'; readonly field: string };
