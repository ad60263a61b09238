declare const brand: unique symbol;

/** A primitive with a name: only a `parse…` (or a constructor that checks) makes one, so behind it nobody checks again. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
